#!/usr/bin/env bash
# Packs BlockQuant.Core, BlockQuant.Kernels and the tool into a folder that NuGet takes as a feed: ./pack.sh FOLDER [arguments of `dotnet pack`]
# CONFIGURATION names another configuration than Release.
set -euo pipefail
feed=$(realpath -m "${1:?expected the folder to pack into}")
shift
cd "$(dirname "$0")"
. build/kernel-host.sh
packages="BlockQuant.Core BlockQuant.Kernels BlockQuant.Tool"
if [ "$KernelHost" = Emulator ]; then packages="$packages BlockQuant.Emulator"; fi
for package in $packages; do
  dotnet pack "$package" -c "${CONFIGURATION:-Release}" -o "$feed" -v q --nologo "$@"
done
echo "packed into: $feed"
