using BlockQuant.Scheduling;

namespace BlockQuant;

/// <summary>One line of <see cref="ComputeDevice.List"/>.</summary>
/// <param name="Kind">The kind of accelerator.</param>
/// <param name="Index">Which of its kind, to pass to <see cref="ComputeDevice.Create"/>.</param>
/// <param name="Name">The device's name, or what was looked for.</param>
/// <param name="IsUsable">True when it can be opened.</param>
/// <param name="Reason">Why it is not used, or an empty string.</param>
public sealed record DeviceDescription(DeviceKind Kind, int Index, string Name, bool IsUsable, string Reason);
