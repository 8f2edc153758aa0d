using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>What a kernel found wrong in indices that only the device has.</summary>
public enum DeviceStatusCode
{
    /// <summary>Nothing is wrong.</summary>
    None = 0,

    /// <summary>An expert id is negative or not below the number of experts.</summary>
    ExpertOutOfRange = 1,

    /// <summary>An indptr does not start at 0.</summary>
    OffsetsStart = 2,

    /// <summary>An offset is below the one before it.</summary>
    OffsetsDecrease = 3,

    /// <summary>The last offset is not the number of rows.</summary>
    OffsetsEnd = 4,

    /// <summary>An adapter id is not −1 and not below the number of adapters.</summary>
    AdapterOutOfRange = 5,

    /// <summary>A token id is negative or not below the number of tokens.</summary>
    TokenOutOfRange = 6,
}

/// <summary>One finding of a kernel.</summary>
/// <param name="Code">What is wrong.</param>
/// <param name="Index">Where: the lowest wrong place in the array of indices.</param>
/// <param name="Found">The value there.</param>
/// <param name="Limit">The bound that it violates, as the code says.</param>
public readonly record struct DeviceFault(DeviceStatusCode Code, int Index, int Found, int Limit)
{
    /// <inheritdoc/>
    public override string ToString() => Code switch
    {
        DeviceStatusCode.None => "no fault",
        DeviceStatusCode.ExpertOutOfRange => $"expert id {Found} at {Index}; expected 0 to {Limit - 1}",
        DeviceStatusCode.OffsetsStart => $"offset {Found} at {Index}; expected {Limit}",
        DeviceStatusCode.OffsetsDecrease => $"offset {Found} at {Index}; expected at least {Limit}, the offset before it",
        DeviceStatusCode.OffsetsEnd => $"last offset {Found} at {Index}; expected {Limit}, the number of rows",
        DeviceStatusCode.AdapterOutOfRange => $"adapter id {Found} at {Index}; expected -1 to {Limit - 1}",
        DeviceStatusCode.TokenOutOfRange => $"token id {Found} at {Index}; expected 0 to {Limit - 1}",
        _ => $"code {(int)Code} at {Index}: found {Found}, limit {Limit}",
    };
}

/// <summary>
/// Four integers in device memory {code, index, found, limit} where operators say which index was wrong, when only the device has the indices.
/// </summary>
/// <remarks>
/// The first operator that finds something writes it, the others leave it: a status may serve many operators and be read once. Of one
/// operator's findings the one at the lowest index is written.
/// </remarks>
public sealed class DeviceStatus : IDisposable
{
    /// <summary>Integers in a status.</summary>
    public const int Length = 4;

    private readonly DeviceBuffer<int> words;

    /// <summary>Allocates a status without a fault.</summary>
    /// <param name="device">The device whose operators report to it.</param>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public DeviceStatus(ComputeDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        words = device.Upload<int>(new int[Length]);
    }

    /// <summary>The status, to pass to operators of the view tier.</summary>
    /// <exception cref="ObjectDisposedException">The status is disposed.</exception>
    public ArrayView<int> View => words.View;

    /// <summary>Waits for the stream and reads the fault.</summary>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    public DeviceFault Read(AcceleratorStream? stream = null)
    {
        int[] found = words.ToArray(stream);
        return new DeviceFault((DeviceStatusCode)found[0], found[1], found[2], found[3]);
    }

    /// <summary>Forgets the fault, and waits until that is done.</summary>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    public void Clear(AcceleratorStream? stream = null) => words.CopyFrom(new int[Length], stream);

    /// <summary>Frees the memory.</summary>
    public void Dispose() => words.Dispose();
}
