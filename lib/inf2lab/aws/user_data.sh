#!/bin/bash
# First boot of an inf2lab instance. Its log: /var/log/inf2lab-first-boot.log
set -uo pipefail
exec >>/var/log/inf2lab-first-boot.log 2>&1

# 1. The end comes first, so that nothing below can prevent it.
install -d -m 0755 /etc/inf2lab
echo '${Run}' >/etc/inf2lab/run
echo '${Deadline}' >/etc/inf2lab/deadline
cat >/usr/local/sbin/inf2lab-deadline <<'END'
#!/bin/bash
# Powers off when the deadline has passed; this instance then terminates. `inf2lab extend` moves it in a tag.
metadata=http://169.254.169.254/latest
key=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $metadata/api/token)
tag=$(curl -sf -m 5 -H "X-aws-ec2-metadata-token: $key" $metadata/meta-data/tags/instance/inf2lab:deadline)
when='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$'
if [[ $tag =~ $when ]]; then echo "$tag" >/etc/inf2lab/deadline; fi
end=$(date -u -d "$(cat /etc/inf2lab/deadline)" +%s) || end=0
if [ "$(date -u +%s)" -ge "$end" ]; then systemctl poweroff; fi
END
chmod 0755 /usr/local/sbin/inf2lab-deadline
cat >/etc/systemd/system/inf2lab-deadline.service <<'END'
[Unit]
Description=Ends this instance once its deadline has passed

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/inf2lab-deadline
END
cat >/etc/systemd/system/inf2lab-deadline.timer <<'END'
[Unit]
Description=Looks every minute whether the deadline has passed

[Timer]
OnBootSec=1min
OnUnitActiveSec=1min
AccuracySec=10s

[Install]
WantedBy=timers.target
END
systemctl daemon-reload
systemctl enable --now inf2lab-deadline.timer

# 2. Docker and what `make setup` needs, where the image lacks them.
if command -v apt-get; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update && apt-get install -y git make python3-venv
  command -v docker || apt-get install -y docker.io
else
  dnf install -y git make python3.11 python3.11-pip
  command -v docker || dnf install -y docker
fi
systemctl enable --now docker
usermod -aG docker '${User}'

# 3. Jupyter: loopback only, its token in a file that one user reads. It starts when the repository is there.
install -d -m 0755 -o '${User}' -g '${User}' '/home/${User}/inf2lab'
(umask 077 && od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >/etc/inf2lab/jupyter-token)
chown '${User}' /etc/inf2lab/jupyter-token
cat >/etc/systemd/system/inf2lab-setup.service <<'END'
[Unit]
Description=Sets up the repository's Python environment
Wants=network-online.target
After=network-online.target
ConditionPathExists=/home/${User}/inf2lab/Makefile

[Service]
Type=oneshot
RemainAfterExit=yes
User=${User}
WorkingDirectory=/home/${User}/inf2lab
ExecStart=/usr/bin/make setup
TimeoutStartSec=30min

[Install]
WantedBy=multi-user.target
END
cat >/etc/systemd/system/inf2lab-jupyter.service <<'END'
[Unit]
Description=JupyterLab on 127.0.0.1:${Port}
Requires=inf2lab-setup.service
After=inf2lab-setup.service
ConditionPathExists=/home/${User}/inf2lab/.venv/bin/jupyter-lab

[Service]
User=${User}
WorkingDirectory=/home/${User}/inf2lab
Environment=PATH=/home/${User}/inf2lab/.venv/bin:/opt/aws/neuron/bin:/usr/local/bin:/usr/bin:/bin
Environment=JUPYTER_TOKEN_FILE=/etc/inf2lab/jupyter-token
ExecStart=/home/${User}/inf2lab/.venv/bin/jupyter-lab --no-browser --ip=127.0.0.1 --port=${Port} --port-retries=0
NoNewPrivileges=yes
Restart=on-failure

[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload

# 4. The repository, if its address was given. Else copy it to ~/inf2lab, then start the two services.
repository='${Repository}'
if [ -n "$repository" ]; then
  rmdir '/home/${User}/inf2lab'
  sudo -u '${User}' git clone --depth 1 -- "$repository" '/home/${User}/inf2lab'
fi
systemctl enable inf2lab-setup.service inf2lab-jupyter.service
systemctl start --no-block inf2lab-jupyter.service
