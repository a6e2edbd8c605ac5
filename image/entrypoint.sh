#!/bin/sh
# The plugins are part of the image, Meltano's state is not: link the plugins into the volume.
set -eu
mkdir -p "$MELTANO_SYS_DIR_ROOT"
for kind in extractors mappers loaders; do
  ln -sfn "${PLUGINS:-/opt/plugins}/$kind" "$MELTANO_SYS_DIR_ROOT/$kind"
done
# No run installs anything: Meltano ignores MELTANO_AUTO_INSTALL.
command=
for argument in "$@"; do
  shift
  set -- "$@" "$argument"
  case $command$argument in run | invoke | el | elt | select) set -- "$@" --no-install && command=$argument. ;; esac
done
exec meltano "$@"
