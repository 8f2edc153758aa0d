using System.CommandLine;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tool.Commands;

/// <summary><c>devices</c>: what was found, what will be used, and why something was not.</summary>
internal static class DevicesCommand
{
    public static Command Create(ToolConsole console)
    {
        Option<bool> json = Arguments.Json();
        var command = new Command("devices", "Lists the accelerators of this machine, which one is used, and why others are not.") { json };
        command.SetAction(parsed =>
        {
            IReadOnlyList<DeviceDescription> devices = ComputeDevice.List();

            // The list is best first, and the default is the best that works.
            DeviceDescription? used = devices.FirstOrDefault(device => device.IsUsable);
            if (parsed.GetValue(json))
            {
                console.WriteJson(devices.Select(device => new
                {
                    Kind = device.Kind.ToString(),
                    device.Index,
                    device.Name,
                    device.IsUsable,
                    IsUsed = device == used,
                    device.Reason,
                }));
            }
            else
            {
                console.WriteTable(
                    ["kind", "index", "name", "state", "reason"],
                    devices.Select(device => new[]
                    {
                        device.Kind.ToString(),
                        device.Index.ToString(),
                        device.Name,
                        device == used ? "used by default" : device.IsUsable ? "usable" : "not usable",
                        device.Reason,
                    }));
            }

            return used is null ? ExitCode.DeviceFailure : ExitCode.Success;
        });
        return command;
    }
}
