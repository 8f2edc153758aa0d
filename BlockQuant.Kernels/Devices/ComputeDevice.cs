using System.Runtime.CompilerServices;
using BlockQuant.Devices;
using BlockQuant.Kernels;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.TensorCores;
using BlockQuant.Kernels.Vector;
using BlockQuant.Scheduling;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>
/// An opened accelerator: it allocates, copies and launches. Operators run on it; nothing else of the library touches a driver.
/// </summary>
/// <remarks>
/// A device may be used by many threads at once. Work issued to one stream runs in order; different streams are independent.
/// </remarks>
public abstract partial class ComputeDevice : IDisposable
{
    private readonly Lock loading = new();
    private Delegate?[] launchers = [];
    private long allocations;
    private long bufferCount;
    private long allocatedBytes;
    private int disposed;
    private long loads;

    private protected ComputeDevice()
    {
    }

    /// <summary>The facts that tile plans depend on.</summary>
    public DeviceTraits Traits { get; private protected init; } = null!;

    /// <summary>The kind of accelerator.</summary>
    public DeviceKind Kind => Traits.Kind;

    /// <summary>The name the driver gives the device.</summary>
    public string Name => Traits.Name;

    /// <summary>
    /// Measured plans that dense products, FP8 and INT8, use in place of the scheduler's where theirs is among them; null, as at first, for none.
    /// </summary>
    /// <exception cref="ArgumentException">The plans were measured on a device of another name, or this one cannot run one of them.</exception>
    public TunedPlans? Plans
    {
        get;
        set
        {
            if (value is not null && value.Device != Name)
            {
                throw new ArgumentException($"plans: measured on {value.Device}; expected {Name}.", nameof(value));
            }

            value?.Require(Traits);
            field = value;
        }
    }

    /// <summary>The stream that calls without a stream use.</summary>
    public abstract AcceleratorStream DefaultStream { get; }

    /// <summary>The FP8 operators on this device.</summary>
    public Fp8Operators Fp8 => field ??= new Fp8Operators(this);

    /// <summary>The INT8 operators on this device.</summary>
    public Int8Operators Int8 => field ??= new Int8Operators(this);

    /// <summary>The LoRA operators on this device.</summary>
    public LoraOperators Lora => field ??= new LoraOperators(this);

    /// <summary>The routing of rows to experts on this device.</summary>
    public ExpertRouting Routing => field ??= new ExpertRouting(this);

    /// <summary>True after <see cref="Dispose()"/>.</summary>
    public bool IsDisposed => Volatile.Read(ref disposed) != 0;

    /// <summary>Opens the best device: CUDA, then OpenCL, then the processor. A missing or broken driver is passed over, never thrown.</summary>
    public static ComputeDevice CreateDefault()
    {
        foreach (DeviceKind kind in (ReadOnlySpan<DeviceKind>)[DeviceKind.Cuda, DeviceKind.OpenCL])
        {
            if (TryOpen(kind, 0, out _) is { } device)
            {
                return device;
            }
        }

        return Create(DeviceKind.Cpu);
    }

    /// <summary>Opens one particular device.</summary>
    /// <param name="kind">The kind of accelerator.</param>
    /// <param name="index">Which of them, from 0.</param>
    /// <exception cref="DeviceUnavailableException">There is no such device, or it cannot be used; the message says why.</exception>
    public static ComputeDevice Create(DeviceKind kind, int index = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return TryOpen(kind, index, out string reason)
            ?? throw new DeviceUnavailableException($"{kind} device {index} cannot be used: {reason}");
    }

    /// <summary>
    /// Opens a CUDA device that runs the kernels which the library carries as PTX, so that none is compiled through ILGPU and a first call is ready
    /// sooner. A build without ILGPU does so for every CUDA device.
    /// </summary>
    /// <param name="index">Which CUDA device, from 0.</param>
    /// <exception cref="DeviceUnavailableException">There is no such device, or it cannot be used; the message says why.</exception>
    public static ComputeDevice CreateEmbedded(int index = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return TryOpenEmbedded(index, out string reason)
            ?? throw new DeviceUnavailableException($"{DeviceKind.Cuda} device {index} cannot be used: {reason}");
    }

    /// <summary>Every device this machine has or might have, best first, with the reason for each one that is not used. Never throws.</summary>
    public static IReadOnlyList<DeviceDescription> List() => Discover();

    /// <summary>Creates a stream of its own order on this device.</summary>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public abstract AcceleratorStream CreateStream();

    /// <summary>Allocates uninitialised device memory.</summary>
    /// <param name="length">Elements; zero gives an empty buffer.</param>
    /// <typeparam name="T">The element type.</typeparam>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative, or its bytes are more than a 64-bit integer counts.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public DeviceBuffer<T> Allocate<T>(long length)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, long.MaxValue / Unsafe.SizeOf<T>());
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        Interlocked.Increment(ref allocations);
        return AllocateMemory<T>(length);
    }

    /// <summary>Allocates device memory and copies elements into it.</summary>
    /// <param name="source">The elements.</param>
    /// <typeparam name="T">The element type.</typeparam>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public DeviceBuffer<T> Upload<T>(ReadOnlySpan<T> source)
        where T : unmanaged
    {
        DeviceBuffer<T> buffer = Allocate<T>(source.Length);
        try
        {
            buffer.CopyFrom(source);
            return buffer;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    /// <summary>Allocates a matrix on the device and copies elements into it.</summary>
    /// <param name="source">The elements, row after row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <typeparam name="T">The element type.</typeparam>
    /// <exception cref="ArgumentException">The length is not rows × columns.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public DeviceMatrix<T> Upload<T>(ReadOnlySpan<T> source, long rows, long columns)
        where T : unmanaged
    {
        if (rows < 0 || columns < 0 || source.Length != Require.Elements(nameof(source), rows, columns))
        {
            throw new ArgumentException($"source: length {source.Length}; expected {rows} x {columns}.", nameof(source));
        }

        var matrix = new DeviceMatrix<T>(this, rows, columns);
        try
        {
            matrix.CopyFrom(source);
            return matrix;
        }
        catch
        {
            matrix.Dispose();
            throw;
        }
    }

    /// <summary>Copies a quantized matrix of the host to the device.</summary>
    /// <param name="source">Codes and scales of the format that <typeparamref name="TCode"/> holds.</param>
    /// <typeparam name="TCode"><see cref="Float8E4M3"/> or <see cref="sbyte"/>.</typeparam>
    /// <exception cref="ArgumentException">The format is another one.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public QuantizedDeviceMatrix<TCode> Upload<TCode>(QuantizedMatrix source)
        where TCode : unmanaged
    {
        ArgumentNullException.ThrowIfNull(source);
        Require.Format<TCode>(source.Scheme.Format, nameof(source));
        var matrix = new QuantizedDeviceMatrix<TCode>(
            this, source.Rows, source.Columns, source.Scheme, source.ScaleRowOffset, source.ScaleColumnOffset);
        return Result.Filled(matrix, m =>
        {
            m.Codes.CopyFrom(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, TCode>(source.Codes.Span));
            m.Scales.CopyFrom(source.Scales.Span);
        });
    }

    /// <summary>
    /// The CUDA driver's handle (<c>CUstream</c>) of a stream, for functions of the driver that the library does not wrap, such as those that capture
    /// a graph. The device's context becomes the calling thread's current one.
    /// </summary>
    /// <param name="stream">A stream of this device; null for the default one, which may be the driver's null stream, and that cannot be captured.</param>
    /// <returns>The handle; it lives as long as the stream.</returns>
    /// <exception cref="NotSupportedException">The device is none of CUDA's.</exception>
    /// <exception cref="ObjectDisposedException">The device or the stream is disposed.</exception>
    public nint CudaStreamHandle(AcceleratorStream? stream = null)
        => Kind == DeviceKind.Cuda ? BindCudaStream(Ordered(stream)) : throw new NotSupportedException($"a {Kind} device has no CUDA streams.");

    /// <summary>Waits until the device has finished everything given to it.</summary>
    /// <exception cref="DeviceException">Earlier work failed.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public abstract void Synchronize();

    /// <summary>
    /// Frees the device, once no thread uses it. Buffers and streams on it are of no use from then on; they may be disposed before or after it,
    /// from any thread.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 0)
        {
            Release();
            GC.SuppressFinalize(this);
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Kind})";

    /// <summary>What the device's memory and streams are of: by it those of another device are told.</summary>
    internal abstract object Accelerator { get; }

    /// <summary>Allocations made so far: operators of the view tier make none.</summary>
    internal long AllocationCount => Interlocked.Read(ref allocations);

    /// <summary>Buffers that are not disposed yet.</summary>
    internal long BufferCount => Interlocked.Read(ref bufferCount);

    /// <summary>Bytes of the buffers that are not disposed yet.</summary>
    internal long AllocatedBytes => Interlocked.Read(ref allocatedBytes);

    /// <summary>Kernels compiled so far: each at most once.</summary>
    internal long LoadCount => Interlocked.Read(ref loads);

    /// <summary>The Hopper kernels in the device's CUDA context, which <see cref="BindCudaStream"/> has made current.</summary>
    internal HopperKernels HopperKernels => field ??= HopperKernels.Current;

    /// <summary>The warp-level tensor-core kernels in the device's CUDA context, as <see cref="HopperKernels"/>.</summary>
    internal TensorCoreKernels TensorCoreKernels => field ??= TensorCoreKernels.Current;

    /// <summary>The vector kernels in the device's CUDA context, as <see cref="HopperKernels"/>.</summary>
    internal VectorKernels VectorKernels => field ??= VectorKernels.Current;

    internal void Launch<TArguments>(Kernel<TArguments> kernel, LaunchShape shape, in TArguments arguments, AcceleratorStream? stream)
        where TArguments : struct, IKernelArguments
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        AcceleratorStream order = Ordered(stream);
        Delegate?[] loaded = Volatile.Read(ref launchers);
        Delegate launcher = (kernel.Id < loaded.Length ? loaded[kernel.Id] : null) ?? LoadOnce(kernel);
        Run(launcher, shape, arguments, order);
    }

    /// <summary>The stream that a call runs on: the given one, which must be alive and of this device, or the default one.</summary>
    internal AcceleratorStream Ordered(AcceleratorStream? stream)
    {
        if (stream is null)
        {
            return DefaultStream;
        }

        ObjectDisposedException.ThrowIf(stream.IsDisposed, stream);
        return ViewMemory.IsOf(Accelerator, stream)
            ? stream
            : throw new ArgumentException($"stream: of another device; expected one of {Name}.", nameof(stream));
    }

    internal void BufferTaken(long bytes)
    {
        Interlocked.Increment(ref bufferCount);
        Interlocked.Add(ref allocatedBytes, bytes);
    }

    internal void BufferFreed(long bytes)
    {
        Interlocked.Decrement(ref bufferCount);
        Interlocked.Add(ref allocatedBytes, -bytes);
    }

    /// <summary>Makes the device's CUDA context the calling thread's current one.</summary>
    /// <returns>The driver's handle of a stream of the device.</returns>
    internal virtual IntPtr BindCudaStream(AcceleratorStream stream) => throw new NotSupportedException($"{Name} has no CUDA context.");

    private protected abstract DeviceBuffer<T> AllocateMemory<T>(long length)
        where T : unmanaged;

    /// <summary>Compiles a kernel for this device. Called once a kernel, under a lock.</summary>
    private protected abstract Delegate Load<TArguments>(Kernel<TArguments> kernel)
        where TArguments : struct, IKernelArguments;

    private protected abstract void Run<TArguments>(Delegate launcher, LaunchShape shape, in TArguments arguments, AcceleratorStream stream)
        where TArguments : struct, IKernelArguments;

    private protected abstract void Release();

    private Delegate LoadOnce<TArguments>(Kernel<TArguments> kernel)
        where TArguments : struct, IKernelArguments
    {
        lock (loading)
        {
            Delegate?[] current = launchers;
            if (kernel.Id < current.Length && current[kernel.Id] is { } ready)
            {
                return ready;
            }

            // A new array each time: readers never see one that is being written.
            var grown = new Delegate?[Math.Max(current.Length, kernel.Id + 1)];
            current.CopyTo(grown, 0);
            Delegate launcher = Load(kernel);
            loads++;
            grown[kernel.Id] = launcher;
            Volatile.Write(ref launchers, grown);
            return launcher;
        }
    }
}
