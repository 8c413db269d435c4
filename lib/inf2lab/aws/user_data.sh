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

# 2. How far this has come, in a tag that `inf2lab launch` waits for: booted, installed, ready, or failed and why.
cat >/usr/local/sbin/inf2lab-status <<'END'
#!/bin/bash
# inf2lab-status WORDS [URL]: puts the words into this instance's tag inf2lab:status, once the URL answers.
if [ -n "$2" ]; then curl -sf -o /dev/null --retry 60 --retry-delay 2 --retry-connrefused "$2" || exit 1; fi
metadata=http://169.254.169.254/latest
key=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $metadata/api/token)
get() { curl -sf -m 5 -H "X-aws-ec2-metadata-token: $key" "$metadata/meta-data/$1"; }
region=$(get placement/region)
secret='import json, sys; a = json.load(sys.stdin); print("user = \"%s:%s\"" % (a["AccessKeyId"], a["SecretAccessKey"]))
print("header = \"x-amz-security-token: %s\"" % a["Token"])'
get "iam/security-credentials/$(get iam/security-credentials/)" | python3 -c "$secret" |
  curl -sS -f -m 30 --retry 5 -K - --aws-sigv4 "aws:amz:$region:ec2" -d Action=CreateTags -d Version=2016-11-15 \
    -d "ResourceId.1=$(get instance-id)" -d Tag.1.Key=inf2lab:status --data-urlencode "Tag.1.Value=$1" \
    "https://ec2.$region.amazonaws.com/"
END
chmod 0755 /usr/local/sbin/inf2lab-status
cat >/etc/systemd/system/inf2lab-failed@.service <<'END'
[Unit]
Description=Says that %i has failed

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/inf2lab-status "failed: %i"
END
fail() {
  /usr/local/sbin/inf2lab-status "failed: $1"
  exit 1
}
retry() {
  for pause in 5 20 60; do "$@" && return; sleep "$pause"; done
  "$@"
}
/usr/local/sbin/inf2lab-status booted

# 3. The driver: a newer one may refuse the container's runtime, so no upgrade may bring it.
if command -v apt-get; then
  retry apt-mark hold aws-neuronx-dkms || fail 'the package aws-neuronx-dkms cannot be held: is this a Neuron image?'
else
  echo 'excludepkgs=aws-neuronx-dkms' >>/etc/dnf/dnf.conf
fi
driver=$(cat /sys/module/neuron/version || modinfo -F version neuron) || fail 'no Neuron driver: is this a Neuron image?'
below='${DriverBelow}'
if [ -n "$below" ] && [ "$(printf '%s\n' "$driver" "$below" | sort -V | tail -n 1)" != "$below" ]; then
  fail "driver $driver refuses the runtime in the container: it has to be below $below"
fi

# 4. Docker and what `make setup` needs, where the image lacks them. A first boot upgrades by itself, and locks apt.
apt() { apt-get -o DPkg::Lock::Timeout=600 "$@"; }
if command -v apt-get; then
  export DEBIAN_FRONTEND=noninteractive
  retry apt update
  retry apt install -y git make python3-venv || fail 'apt-get cannot install git, make and python3-venv'
  apt install -y python3-prometheus-client
  command -v docker || retry apt install -y docker.io || fail 'apt-get cannot install docker.io'
else
  retry dnf install -y git make python3.11 python3.11-pip || fail 'dnf cannot install git, make and python3.11'
  dnf install -y python3-pip && python3 -m pip install prometheus_client
  command -v docker || retry dnf install -y docker || fail 'dnf cannot install docker'
fi
systemctl enable --now docker || fail 'Docker does not start'
usermod -aG docker '${User}'
/usr/local/sbin/inf2lab-status installed

# 5. Jupyter: loopback only, its token in a file that one user reads. It starts when the repository is there. Its terminal
# has sudo, as the user has: the notebooks' advice needs it, and whoever may use Docker is root anyway.
echo 'export INF2LAB_LANE=inf2 INF2LAB_INSTANCE=${Instance}' >/etc/profile.d/inf2lab.sh
install -d -m 0755 -o '${User}' -g '${User}' '/home/${User}/inf2lab'
(umask 077 && od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >/etc/inf2lab/jupyter-token)
chown '${User}' /etc/inf2lab/jupyter-token
cat >/etc/systemd/system/inf2lab-setup.service <<'END'
[Unit]
Description=Sets up the repository's Python environment
Wants=network-online.target
After=network-online.target
OnFailure=inf2lab-failed@%n.service
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
OnFailure=inf2lab-failed@%n.service
ConditionPathExists=/home/${User}/inf2lab/.venv/bin/jupyter-lab

[Service]
User=${User}
WorkingDirectory=/home/${User}/inf2lab
Environment=PATH=/home/${User}/inf2lab/.venv/bin:/opt/aws/neuron/bin:/usr/local/bin:/usr/bin:/bin
Environment=INF2LAB_LANE=inf2 INF2LAB_INSTANCE=${Instance}
Environment=JUPYTER_TOKEN_FILE=/etc/inf2lab/jupyter-token
ExecStart=/home/${User}/inf2lab/.venv/bin/jupyter-lab --no-browser --ip=127.0.0.1 --port=${Port} --port-retries=0
ExecStartPost=-/usr/local/sbin/inf2lab-status ready http://127.0.0.1:${Port}/api
TimeoutStartSec=5min
Restart=on-failure

[Install]
WantedBy=multi-user.target
END
# The exporter of Neuron's tools listens on every address and cannot be told otherwise: systemd lets only this machine in.
cat >/etc/systemd/system/inf2lab-monitor.service <<'END'
[Unit]
Description=Counters of the NeuronCores for Prometheus, on http://127.0.0.1:8008
ConditionPathExists=/opt/aws/neuron/bin/neuron-monitor-prometheus.py

[Service]
User=${User}
Environment=PATH=/opt/aws/neuron/bin:/usr/bin:/bin
ExecStart=/bin/bash -c 'set -o pipefail; neuron-monitor | neuron-monitor-prometheus.py --port 8008'
StandardOutput=null
IPAddressDeny=any
IPAddressAllow=localhost
Nice=10
Restart=on-failure
RestartSec=1min

[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --now --no-block inf2lab-monitor.service
${Keep}
# 6. The repository, if its address was given. Else put it into ~/inf2lab, then start inf2lab-jupyter.
systemctl enable inf2lab-setup.service inf2lab-jupyter.service
repository='${Repository}'
if [ -n "$repository" ]; then
  retry sudo -u '${User}' git clone --depth 1 -- "$repository" '/home/${User}/inf2lab' || fail 'git cannot clone the repository'
  systemctl start --no-block inf2lab-jupyter.service
fi
