#!/bin/sh
# Installs into an environment with uv, several times as quickly as pip; where uv cannot be had or fails, with pip.
# usage, in the repository's folder: tools/install.sh ENVIRONMENT ARGUMENTS... (those of `pip install`)
set -eu
python=$1/bin/python uv=$1/bin/uv log=$1/set-up.log
shift
pip="$python -m pip --disable-pip-version-check --log $log install --quiet"
if [ -t 1 ]; then hushed='' plain=''; else hushed=--quiet plain='--progress-bar off'; fi

pin=$(sed -n 's/^\(uv==[0-9.]*\).*/\1/p' requirements.txt)
# The index that pip was told to use.
index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$($python -m pip config get global.index-url 2>/dev/null || true)}}
export UV_SYSTEM_CERTS=1
export UV_COMPILE_BYTECODE="${UV_COMPILE_BYTECODE:-1}"  # as pip does, unless PIP_COMPILE=0
$pip $plain "$pin" &&
    "$uv" pip install $hushed ${index:+--default-index "$index"} --python "$python" "$@" && exit
echo "      uv could not install this; pip does (some minutes; $log shows what is happening)"
exec $pip $plain "$@"
