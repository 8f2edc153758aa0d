using System.Diagnostics;
using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>LoRA shrink for every pair of element types: validate, plan, launch.</summary>
internal static class LoraShrink
{
    private static readonly Kernel<ClearArguments> Clear = new(nameof(ClearKernel), ClearKernel.Run);

    public static void Run<TX, TW, TOut>(
        ComputeDevice device,
        LoraInput<TX> x,
        ReadOnlySpan<LoraSlice<TW>> slices,
        AdapterMapView map,
        float scaling,
        MatrixView<TOut> output,
        ArrayView<float> workspace,
        LoraShrinkOptions? options,
        AcceleratorStream? stream)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        LoraOperands.Validate(device, x, nameof(x), slices, map, output);
        if (x.Slices != 1)
        {
            throw new ArgumentException($"x: shape {x.Shape}; expected one slice of rows, which all slices of weights read.", nameof(x));
        }

        long rank = 0;
        foreach (LoraSlice<TW> slice in slices)
        {
            rank = Math.Max(rank, slice.Rows);
            if (slice.Columns != x.Columns)
            {
                throw new ArgumentException($"slices: shape {slice.Shape}; expected K of x, {x.Columns}.", nameof(slices));
            }
        }

        Require.Shape(output, checked(slices.Length * x.Tokens), rank, nameof(output));
        LoraPlan plan = LoraScheduler.Plan(x.Tokens, rank, x.Columns, device.Traits, options?.Plan);
        bool atomic = plan.SplitK > 1 && options?.Reduction == SplitReduction.Atomic;
        if (atomic && typeof(TOut) != typeof(float))
        {
            throw new ArgumentException($"output: element type {typeof(TOut).Name}; expected Single for an atomic sum.", nameof(output));
        }

        long needed = LoraOperators.ShrinkWorkspaceLength(slices.Length, x.Tokens, rank, options);
        Require.Workspace(device, workspace, needed);
        Require.Disjoint(workspace, nameof(workspace), output.Data, nameof(output));
        Require.Disjoint(workspace, nameof(workspace), x.Values.Data, nameof(x));
        Require.Disjoint(workspace, nameof(workspace), x.Scales.Data, nameof(x));
        Require.Disjoint(workspace, nameof(workspace), map);
        foreach (LoraSlice<TW> slice in slices)
        {
            Require.Disjoint(workspace, nameof(workspace), slice.Values, nameof(slices));
            Require.Disjoint(workspace, nameof(workspace), slice.Scales, nameof(slices));
        }

        if (LoraTensorScheduler.Runs(device.Traits, options?.Plan, LoraTensorCores.Obstacle(device, x, slices, 16, cast: false)))
        {
            LoraTensorPlan tensorPlan = LoraTensorScheduler.Shrink(
                x.Tokens, map.Entries, rank, x.Columns, slices.Length, device.Traits.Multiprocessors);
            LoraTensorCores.Shrink(
                device, x, slices, map, scaling, output, rank, tensorPlan, options?.ProgrammaticDependentLaunch ?? false, stream);
            return;
        }

        var call = new Call<TX, TW>
        {
            Device = device,
            Input = x,
            Slices = slices,
            Map = map,
            Scaling = scaling,
            Plan = plan,
            Rank = rank,
            Stream = stream,
        };
        switch (Element<TOut>.Kind(nameof(output)))
        {
            case ElementKind.BFloat16:
                Launch<TX, TW, ushort, BFloat16Element>(call, output.Data.Cast<ushort>(), workspace, atomic);
                break;
            case ElementKind.Float16:
                Launch<TX, TW, ushort, Float16Element>(call, output.Data.Cast<ushort>(), workspace, atomic);
                break;
            default:
                Launch<TX, TW, float, Float32Element>(call, output.Data.Cast<float>(), workspace, atomic);
                break;
        }
    }

    private static void Launch<TX, TW, TOut, TOutElement>(Call<TX, TW> call, ArrayView<TOut> output, ArrayView<float> workspace, bool atomic)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
        where TOutElement : struct, IElement<TOut>
    {
        LaunchShape elementwise = LaunchShapes.Elementwise(call.Device.Traits, output.Length);
        if (atomic)
        {
            ArrayView<float> sums = output.Cast<float>();
            call.Device.Launch(Clear, elementwise, new ClearArguments { Output = sums }, call.Stream);
            LaunchPair<TX, TW, float, AtomicSink>(call, sums, splitStride: 0);
        }
        else if (call.Plan.SplitK > 1)
        {
            LaunchPair<TX, TW, float, StoreSink<float, Float32Element>>(call, workspace, splitStride: output.Length);
            var sum = new LoraSplitSumArguments<TOut> { Partials = workspace, Output = output, Splits = call.Plan.SplitK };
            call.Device.Launch(SumKernels<TOut, TOutElement>.Sum, elementwise, sum, call.Stream);
        }
        else
        {
            LaunchPair<TX, TW, TOut, StoreSink<TOut, TOutElement>>(call, output, splitStride: 0);
        }
    }

    private static void LaunchPair<TX, TW, TOut, TSink>(Call<TX, TW> call, ArrayView<TOut> output, long splitStride)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
        where TSink : struct, ILoraSink<TOut>
    {
        switch (LoraElement<TX>.Kind("x"), LoraElement<TW>.Kind("slices"))
        {
            case (LoraElementKind.Float8, LoraElementKind.Float8):
                LaunchKernel<TX, TW, byte, Float8Element, byte, Float8Element, TOut, TSink>(call, output, splitStride);
                break;
            case (LoraElementKind.BFloat16, LoraElementKind.BFloat16):
                LaunchKernel<TX, TW, ushort, BFloat16Element, ushort, BFloat16Element, TOut, TSink>(call, output, splitStride);
                break;
            case (LoraElementKind.Float16, LoraElementKind.Float16):
                LaunchKernel<TX, TW, ushort, Float16Element, ushort, Float16Element, TOut, TSink>(call, output, splitStride);
                break;
            case (LoraElementKind.Float32, LoraElementKind.Float32):
                LaunchKernel<TX, TW, float, Float32Element, float, Float32Element, TOut, TSink>(call, output, splitStride);
                break;
            case (LoraElementKind.Float32, LoraElementKind.BFloat16):
                LaunchKernel<TX, TW, float, Float32Element, ushort, BFloat16Element, TOut, TSink>(call, output, splitStride);
                break;
            case (LoraElementKind.Float32, LoraElementKind.Float16):
                LaunchKernel<TX, TW, float, Float32Element, ushort, Float16Element, TOut, TSink>(call, output, splitStride);
                break;
            case (LoraElementKind.BFloat16, LoraElementKind.Float8):
                LaunchKernel<TX, TW, ushort, BFloat16Element, byte, Float8Element, TOut, TSink>(call, output, splitStride);
                break;
            case (LoraElementKind.Float16, LoraElementKind.Float8):
                LaunchKernel<TX, TW, ushort, Float16Element, byte, Float8Element, TOut, TSink>(call, output, splitStride);
                break;
            case (LoraElementKind.Float32, LoraElementKind.Float8):
                LaunchKernel<TX, TW, float, Float32Element, byte, Float8Element, TOut, TSink>(call, output, splitStride);
                break;
            default:
                throw new UnreachableException("operands that are validated are a pair");
        }
    }

    private static void LaunchKernel<TX, TW, TXBits, TXElement, TWBits, TWElement, TOut, TSink>(
        Call<TX, TW> call, ArrayView<TOut> output, long splitStride)
        where TX : unmanaged
        where TW : unmanaged
        where TXBits : unmanaged
        where TXElement : struct, IElement<TXBits>
        where TWBits : unmanaged
        where TWElement : struct, IElement<TWBits>
        where TOut : unmanaged
        where TSink : struct, ILoraSink<TOut>
    {
        for (int first = 0; first < call.Slices.Length; first += LoraSlices<TWBits>.Capacity)
        {
            ReadOnlySpan<LoraSlice<TW>> slices = call.Slices[first..Math.Min(call.Slices.Length, first + LoraSlices<TWBits>.Capacity)];
            long outputColumn = 0;
            var arguments = new LoraShrinkArguments<TXBits, TWBits, TOut>
            {
                Input = LoraOperands.Input<TX, TXBits>(call.Input, shared: true, cast: false),
                Slices = LoraOperands.Slices<TW, TWBits>(slices, ref outputColumn),
                Map = LoraOperands.Map(call.Map, slices[0].Adapters),
                Output = output,
                Shape = LoraOperands.Shape(call.Plan, call.Map, call.Rank, slices.Length),
                Rank = call.Rank,
                SplitStride = splitStride,
                FirstSlice = first,
                Scaling = call.Scaling,
            };
            if (arguments.Shape.Tiles > 0)
            {
                call.Device.Launch(
                    ShrinkKernels<TXBits, TXElement, TWBits, TWElement, TOut, TSink>.Shrink,
                    LoraOperands.Launch(arguments.Shape, call.Plan),
                    arguments,
                    call.Stream);
            }
        }
    }

    /// <summary>What every launch of one shrink needs.</summary>
    private readonly ref struct Call<TX, TW>
        where TX : unmanaged
        where TW : unmanaged
    {
        public required ComputeDevice Device { get; init; }

        public required LoraInput<TX> Input { get; init; }

        public required ReadOnlySpan<LoraSlice<TW>> Slices { get; init; }

        public required AdapterMapView Map { get; init; }

        public required float Scaling { get; init; }

        public required LoraPlan Plan { get; init; }

        public required long Rank { get; init; }

        public required AcceleratorStream? Stream { get; init; }
    }

    private static class ShrinkKernels<TX, TXElement, TW, TWElement, TOut, TSink>
        where TX : unmanaged
        where TXElement : struct, IElement<TX>
        where TW : unmanaged
        where TWElement : struct, IElement<TW>
        where TOut : unmanaged
        where TSink : struct, ILoraSink<TOut>
    {
        public static readonly Kernel<LoraShrinkArguments<TX, TW, TOut>> Shrink = new(
            $"{nameof(LoraShrinkKernel)}<{typeof(TXElement).Name}, {typeof(TWElement).Name}, {TSink.Name}>",
            LoraShrinkKernel.Run<TX, TXElement, TW, TWElement, TOut, TSink>);
    }

    private static class SumKernels<TOut, TElement>
        where TOut : unmanaged
        where TElement : struct, IElement<TOut>
    {
        public static readonly Kernel<LoraSplitSumArguments<TOut>> Sum = new(
            $"{nameof(LoraSplitSumKernel)}<{typeof(TElement).Name}>", LoraSplitSumKernel.Run<TOut, TElement>);
    }
}
