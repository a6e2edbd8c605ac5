#!/bin/sh
# The plugins are part of the image, Meltano's state is not: link the plugins into the volume.
set -eu
mkdir -p "$MELTANO_SYS_DIR_ROOT"
for kind in extractors mappers loaders; do
  ln -sfn "/opt/plugins/$kind" "$MELTANO_SYS_DIR_ROOT/$kind"
done
exec meltano "$@"
