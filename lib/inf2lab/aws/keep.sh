# Weights and compiled programs: fetched from the bucket before the notebooks start, brought there every ten minutes and at
# the end. The hub's links become files, so its blobs need not come along.
command -v aws || retry snap install aws-cli --classic || fail 'the AWS command line cannot be installed'
cat >/usr/local/sbin/inf2lab-keep <<'END'
#!/bin/bash
# inf2lab-keep fetch|bring: copies what is kept from the bucket, or to it.
here='/home/${User}/inf2lab/cache' there='s3://${Bucket}/${Prefix}'
for part in huggingface/ neuron-compile-cache/; do
  from=$here/$part to=$there$part
  if [ "$1" = fetch ]; then from=$there$part to=$here/$part; else [ -d "$from" ] || continue; fi
  aws s3 sync --only-show-errors --exclude '*/blobs/*' --exclude '*.lock' --exclude '*.incomplete' "$from" "$to"
done
END
chmod 0755 /usr/local/sbin/inf2lab-keep
cat >/etc/systemd/system/inf2lab-kept.service <<'END'
[Unit]
Description=Fetches what was kept from the bucket, and brings it there at the end
Wants=network-online.target
After=network-online.target
Before=inf2lab-jupyter.service
ConditionPathExists=/home/${User}/inf2lab/Makefile

[Service]
Type=oneshot
RemainAfterExit=yes
User=${User}
ExecStart=/usr/local/sbin/inf2lab-keep fetch
ExecStop=/usr/local/sbin/inf2lab-keep bring
TimeoutStartSec=30min
TimeoutStopSec=10min

[Install]
WantedBy=inf2lab-jupyter.service
END
cat >/etc/systemd/system/inf2lab-bring.service <<'END'
[Unit]
Description=Brings weights and compiled programs to the bucket
Requisite=inf2lab-kept.service
After=inf2lab-kept.service

[Service]
Type=oneshot
User=${User}
ExecStart=/usr/local/sbin/inf2lab-keep bring
END
cat >/etc/systemd/system/inf2lab-bring.timer <<'END'
[Unit]
Description=Brings weights and compiled programs to the bucket, every ten minutes

[Timer]
OnBootSec=15min
OnUnitActiveSec=10min

[Install]
WantedBy=timers.target
END
systemctl daemon-reload
systemctl enable inf2lab-kept.service
systemctl enable --now inf2lab-bring.timer
