using System.Diagnostics;
using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>LoRA expand for every pair of element types: validate, plan, launch.</summary>
internal static class LoraExpand
{
    public static void Run<TX, TW, TOut>(
        ComputeDevice device,
        LoraInput<TX> y,
        ReadOnlySpan<LoraSlice<TW>> slices,
        AdapterMapView map,
        MatrixView<TOut> output,
        LoraExpandOptions? options,
        AcceleratorStream? stream)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        LoraOperands.Validate(device, y, nameof(y), slices, map, output);
        if (y.Slices != slices.Length)
        {
            throw new ArgumentException($"y: shape {y.Shape}; expected [{slices.Length}, {y.Tokens}, rank].", nameof(y));
        }

        long columns = 0;
        long widest = 0;
        foreach (LoraSlice<TW> slice in slices)
        {
            columns = checked(columns + slice.Rows);
            widest = Math.Max(widest, slice.Rows);
            if (slice.Columns > y.Columns)
            {
                throw new ArgumentException($"slices: shape {slice.Shape}; expected a rank of at most {y.Columns}, the width of y.", nameof(slices));
            }
        }

        long offset = options?.ColumnOffset ?? 0;
        if (output.Rows != y.Tokens || offset < 0 || output.Columns - columns < offset)
        {
            throw new ArgumentException(
                $"output: shape {output.Shape}; expected {y.Tokens} rows and at least {columns} columns from column {offset}.", nameof(output));
        }

        if (options?.Plan?.SplitK > 1)
        {
            throw new ArgumentException($"options: split-k {options.Plan.SplitK}; expected 1, an expand does not split its depth.", nameof(options));
        }

        bool cast = options?.CastInputs ?? false, add = options?.AddInputs ?? false;
        LoraPlan plan = LoraScheduler.Plan(y.Tokens, widest, y.Columns, device.Traits, options?.Plan);
        if (LoraTensorScheduler.Runs(device.Traits, options?.Plan, LoraTensorCores.Obstacle(device, y, slices, 4, cast)))
        {
            LoraTensorPlan tensorPlan = LoraTensorScheduler.Expand(
                y.Tokens, map.Entries, widest, y.Columns, slices.Length, device.Traits.Multiprocessors);
            LoraTensorCores.Expand(
                device, y, slices, map, output, widest, offset, add, tensorPlan, options?.ProgrammaticDependentLaunch ?? false, stream);
            return;
        }

        var call = new Call<TX, TW>
        {
            Device = device,
            Input = y,
            Slices = slices,
            Map = map,
            Widest = widest,
            OutputColumns = output.Columns,
            FirstColumn = offset,
            Add = add,
            Cast = cast,
            Plan = plan,
            Stream = stream,
        };
        switch (Element<TOut>.Kind(nameof(output)))
        {
            case ElementKind.BFloat16:
                LaunchPair<TX, TW, ushort, BFloat16Element>(call, output.Data.Cast<ushort>());
                break;
            case ElementKind.Float16:
                LaunchPair<TX, TW, ushort, Float16Element>(call, output.Data.Cast<ushort>());
                break;
            default:
                LaunchPair<TX, TW, float, Float32Element>(call, output.Data.Cast<float>());
                break;
        }
    }

    private static void LaunchPair<TX, TW, TOut, TOutElement>(Call<TX, TW> call, ArrayView<TOut> output)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
        where TOutElement : struct, IElement<TOut>
    {
        switch (LoraElement<TX>.Kind("y"), LoraElement<TW>.Kind("slices"))
        {
            case (LoraElementKind.Float8, LoraElementKind.Float8):
                LaunchKernel<TX, TW, byte, Float8Element, byte, Float8Element, TOut, TOutElement>(call, output);
                break;
            case (LoraElementKind.BFloat16, LoraElementKind.BFloat16):
                LaunchKernel<TX, TW, ushort, BFloat16Element, ushort, BFloat16Element, TOut, TOutElement>(call, output);
                break;
            case (LoraElementKind.Float16, LoraElementKind.Float16):
                LaunchKernel<TX, TW, ushort, Float16Element, ushort, Float16Element, TOut, TOutElement>(call, output);
                break;
            case (LoraElementKind.Float32, LoraElementKind.Float32):
                LaunchKernel<TX, TW, float, Float32Element, float, Float32Element, TOut, TOutElement>(call, output);
                break;
            case (LoraElementKind.Float32, LoraElementKind.BFloat16):
                LaunchKernel<TX, TW, float, Float32Element, ushort, BFloat16Element, TOut, TOutElement>(call, output);
                break;
            case (LoraElementKind.Float32, LoraElementKind.Float16):
                LaunchKernel<TX, TW, float, Float32Element, ushort, Float16Element, TOut, TOutElement>(call, output);
                break;
            case (LoraElementKind.BFloat16, LoraElementKind.Float8):
                LaunchKernel<TX, TW, ushort, BFloat16Element, byte, Float8Element, TOut, TOutElement>(call, output);
                break;
            case (LoraElementKind.Float16, LoraElementKind.Float8):
                LaunchKernel<TX, TW, ushort, Float16Element, byte, Float8Element, TOut, TOutElement>(call, output);
                break;
            case (LoraElementKind.Float32, LoraElementKind.Float8):
                LaunchKernel<TX, TW, float, Float32Element, byte, Float8Element, TOut, TOutElement>(call, output);
                break;
            default:
                throw new UnreachableException("operands that are validated are a pair");
        }
    }

    private static void LaunchKernel<TX, TW, TXBits, TXElement, TWBits, TWElement, TOut, TOutElement>(Call<TX, TW> call, ArrayView<TOut> output)
        where TX : unmanaged
        where TW : unmanaged
        where TXBits : unmanaged
        where TXElement : struct, IElement<TXBits>
        where TWBits : unmanaged
        where TWElement : struct, IElement<TWBits>
        where TOut : unmanaged
        where TOutElement : struct, IElement<TOut>
    {
        long outputColumn = call.FirstColumn;
        for (int first = 0; first < call.Slices.Length; first += LoraSlices<TWBits>.Capacity)
        {
            ReadOnlySpan<LoraSlice<TW>> slices = call.Slices[first..Math.Min(call.Slices.Length, first + LoraSlices<TWBits>.Capacity)];
            var arguments = new LoraExpandArguments<TXBits, TWBits, TOut>
            {
                Input = LoraOperands.Input<TX, TXBits>(call.Input, shared: false, call.Cast),
                Slices = LoraOperands.Slices<TW, TWBits>(slices, ref outputColumn),
                Map = LoraOperands.Map(call.Map, slices[0].Adapters),
                Output = output,
                Shape = LoraOperands.Shape(call.Plan, call.Map, call.Widest, slices.Length),
                Columns = call.OutputColumns,
                FirstSlice = first,
                Add = call.Add ? 1 : 0,
            };
            if (arguments.Shape.Tiles > 0)
            {
                call.Device.Launch(
                    ExpandKernels<TXBits, TXElement, TWBits, TWElement, TOut, TOutElement>.Expand,
                    LoraOperands.Launch(arguments.Shape, call.Plan),
                    arguments,
                    call.Stream);
            }
        }
    }

    /// <summary>What every launch of one expand needs.</summary>
    private readonly ref struct Call<TX, TW>
        where TX : unmanaged
        where TW : unmanaged
    {
        public required ComputeDevice Device { get; init; }

        public required LoraInput<TX> Input { get; init; }

        public required ReadOnlySpan<LoraSlice<TW>> Slices { get; init; }

        public required AdapterMapView Map { get; init; }

        public required long Widest { get; init; }

        public required long OutputColumns { get; init; }

        public required long FirstColumn { get; init; }

        public required bool Add { get; init; }

        public required bool Cast { get; init; }

        public required LoraPlan Plan { get; init; }

        public required AcceleratorStream? Stream { get; init; }
    }

    private static class ExpandKernels<TX, TXElement, TW, TWElement, TOut, TOutElement>
        where TX : unmanaged
        where TXElement : struct, IElement<TX>
        where TW : unmanaged
        where TWElement : struct, IElement<TW>
        where TOut : unmanaged
        where TOutElement : struct, IElement<TOut>
    {
        public static readonly Kernel<LoraExpandArguments<TX, TW, TOut>> Expand = new(
            $"{nameof(LoraExpandKernel)}<{typeof(TXElement).Name}, {typeof(TWElement).Name}, {typeof(TOutElement).Name}>",
            LoraExpandKernel.Run<TX, TXElement, TW, TWElement, TOut, TOutElement>);
    }
}
