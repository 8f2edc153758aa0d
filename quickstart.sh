#!/usr/bin/env bash
# Multiplies a real FP8 layer on the best device here. Arguments go to the sample: --help lists them.
set -euo pipefail
here=$(pwd)
cd "$(dirname "$0")"
. build/kernel-host.sh
dotnet build samples/QuickStart -c Release -v q --nologo "-clp:ErrorsOnly;NoSummary"
project=$(pwd)/samples/QuickStart
cd "$here"
exec dotnet run --project "$project" -c Release --no-build -- "$@"
