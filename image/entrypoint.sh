#!/bin/sh
# The plugins are part of the image; what Meltano keeps is not, so both meet in a folder of the volume.
set -eu
mkdir -p "$MELTANO_SYS_DIR_ROOT"
for kind in extractors mappers loaders; do
  ln -sfn "/opt/plugins/$kind" "$MELTANO_SYS_DIR_ROOT/$kind"
done
exec meltano "$@"
