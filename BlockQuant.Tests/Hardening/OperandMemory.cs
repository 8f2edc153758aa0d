using ILGPU;

namespace BlockQuant.Tests.Hardening;

/// <summary>Gives the operands of one call their memory, each some of its own unless the test wants it otherwise.</summary>
internal sealed class OperandMemory(ComputeDevice device) : IDisposable
{
    private const int Bytes = 4096;
    private readonly List<DeviceBuffer<byte>> buffers = [];
    private readonly List<bool> written = [];

    /// <summary>The operand that lies on <see cref="Other"/>.</summary>
    public int? Foreign { get; init; }

    public ComputeDevice? Other { get; init; }

    /// <summary>Two operands that begin at one address.</summary>
    public (int First, int Second)? Shared { get; init; }

    /// <summary>For each operand so far, whether the operator writes it.</summary>
    public IReadOnlyList<bool> Written => written;

    public ArrayView<T> In<T>(long length)
        where T : unmanaged
        => Take<T>(length, isWritten: false);

    public ArrayView<T> Out<T>(long length)
        where T : unmanaged
        => Take<T>(length, isWritten: true);

    public MatrixView<T> In<T>(long rows, long columns)
        where T : unmanaged
        => new(In<T>(rows * columns), rows, columns);

    public MatrixView<T> Out<T>(long rows, long columns)
        where T : unmanaged
        => new(Out<T>(rows * columns), rows, columns);

    public QuantizedView<T> In<T>(long rows, long columns, QuantizationScheme scheme)
        where T : unmanaged
    {
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns);
        return new(In<T>(rows, columns), In<float>(scaleRows, scaleColumns), scheme);
    }

    public QuantizedView<T> Out<T>(long rows, long columns, QuantizationScheme scheme)
        where T : unmanaged
    {
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns);
        return new(Out<T>(rows, columns), Out<float>(scaleRows, scaleColumns), scheme);
    }

    public void Dispose() => buffers.ForEach(buffer => buffer.Dispose());

    private ArrayView<T> Take<T>(long length, bool isWritten)
        where T : unmanaged
    {
        int number = buffers.Count;
        DeviceBuffer<byte> buffer = number == Shared?.Second
            ? buffers[Shared.Value.First]
            : (number == Foreign ? Other! : device).Allocate<byte>(Bytes);
        buffers.Add(buffer);
        written.Add(isWritten);
        return buffer.View.Cast<T>().SubView(0, length);
    }
}
