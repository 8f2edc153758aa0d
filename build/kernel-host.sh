# Sourced by the scripts at the root: sets KernelHost, which MSBuild reads from the environment.
# ILGPU wherever the package feed or the NuGet package folder has it, else the emulator.
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1
if [ -z "${KernelHost:-}" ]; then
  if dotnet restore BlockQuant.Kernels -p:KernelHost=ILGPU -v q >/dev/null 2>&1; then
    KernelHost=ILGPU
  else
    KernelHost=Emulator
  fi
fi
export KernelHost
case "$KernelHost" in
  ILGPU) echo "kernel host: ILGPU 1.5.3" ;;
  *) echo "kernel host: emulator (CUDA through embedded PTX, else CPU; the package feed has no ILGPU 1.5.3)" ;;
esac
