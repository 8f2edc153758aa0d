#!/usr/bin/env bash
# Builds and runs all tests. Arguments go to `dotnet test`; KernelHost=ILGPU or KernelHost=Emulator forces a host.
set -euo pipefail
cd "$(dirname "$0")"
. build/kernel-host.sh
dotnet test BlockQuant.Tests --logger "console;verbosity=minimal" "$@"
echo "kernel host was: $KernelHost"
