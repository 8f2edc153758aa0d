using BlockQuant.Kernels.Portable;

namespace BlockQuant.Kernels.Vector;

/// <summary>One vector kernel, specialised.</summary>
/// <param name="Name">The name of its PTX and its entry.</param>
/// <param name="Method">Its code.</param>
/// <param name="Lanes">Lanes in a group of the grid.</param>
/// <param name="ElementsPerGroup">Elements of the matrix that a group of the grid takes.</param>
/// <param name="GroupsPerMultiprocessor">Groups that must fit on a multiprocessor at once, which bounds a lane's registers.</param>
internal sealed record VectorKernel(
    string Name, Action<VectorArguments> Method, int Lanes, int ElementsPerGroup, int GroupsPerMultiprocessor = 4)
{
    private static readonly Dictionary<Type, string> Names = new()
    {
        [typeof(BFloat16Element)] = "bf16",
        [typeof(Float16Element)] = "f16",
        [typeof(Float32Element)] = "f32",
        [typeof(Float8Format)] = "fp8",
        [typeof(Int8TowardZeroFormat)] = "int8_zero",
        [typeof(Int8NearestFormat)] = "int8_nearest",
    };

    /// <summary>All kernels, by name.</summary>
    public static IReadOnlyDictionary<string, VectorKernel> All { get; } = Every().ToDictionary(kernel => kernel.Name);

    /// <summary>Copies bytes.</summary>
    public static VectorKernel Copy { get; } = All["copy"];

    /// <summary>Quantizes 1×128 token groups or 128×128 blocks.</summary>
    /// <typeparam name="TElement">The portable kernels' type of a source element.</typeparam>
    /// <typeparam name="TFormat">The portable kernels' type of a code.</typeparam>
    public static class Of<TElement, TFormat>
    {
        /// <summary>Quantizes token groups.</summary>
        public static readonly VectorKernel QuantizeGroups = All[$"quantize_groups_{Names[typeof(TElement)]}_{Names[typeof(TFormat)]}"];

        /// <summary>Quantizes blocks.</summary>
        public static readonly VectorKernel QuantizeBlocks = All[$"quantize_blocks_{Names[typeof(TElement)]}_{Names[typeof(TFormat)]}"];

        /// <summary>Dequantizes token groups.</summary>
        public static readonly VectorKernel DequantizeGroups = All[$"dequantize_groups_{Code}_{Names[typeof(TElement)]}"];

        /// <summary>Dequantizes blocks.</summary>
        public static readonly VectorKernel DequantizeBlocks = All[$"dequantize_blocks_{Code}_{Names[typeof(TElement)]}"];

        private static string Code => typeof(TFormat) == typeof(Float8Format) ? "fp8" : "int8";
    }

    /// <summary>Quantizes token groups to FP8 and puts rows where they are told.</summary>
    /// <typeparam name="TElement">The portable kernels' type of a source element.</typeparam>
    public static class Placed<TElement>
    {
        /// <summary>Token groups.</summary>
        public static readonly VectorKernel QuantizeGroups = All[$"place_groups_{Names[typeof(TElement)]}_fp8"];
    }

    /// <summary>GELU of INT8 token groups.</summary>
    /// <typeparam name="TFormat">The portable kernels' type of a code.</typeparam>
    public static class Gelu<TFormat>
    {
        /// <summary>Token groups in, token groups out.</summary>
        public static readonly VectorKernel Groups = All[$"gelu_groups_{Names[typeof(TFormat)]}"];
    }

    private static IEnumerable<VectorKernel> Every() =>
    [
        new("copy", CopyKernel.Run, CopyKernel.Lanes, CopyKernel.Lanes * CopyKernel.BytesPerLane),
        Gelus<Int8TowardZeroVector, Int8TowardZeroFormat>(),
        Gelus<Int8NearestVector, Int8NearestFormat>(),
        Placer<Vec4, BFloat16Vector, BFloat16Element>(),
        Placer<Vec4, Float16Vector, Float16Element>(),
        Placer<Vec8, Float32Vector, Float32Element>(),
        .. Elements<Float8Vector, Float8Format>(),
        .. Elements<Int8TowardZeroVector, Int8TowardZeroFormat>(),
        .. Elements<Int8NearestVector, Int8NearestFormat>(),
        .. Dequantizers<Vec4, BFloat16Vector, BFloat16Element>(),
        .. Dequantizers<Vec4, Float16Vector, Float16Element>(),
        .. Dequantizers<Vec8, Float32Vector, Float32Element>(),
    ];

    private static VectorKernel Gelus<TCode, TFormat>()
        where TCode : struct, IVectorCode
        where TFormat : struct, ICodeFormat
        => new(
            $"gelu_groups_{Names[typeof(TFormat)]}",
            GeluKernel.Run<TCode>,
            GeluKernel.Lanes,
            GeluKernel.Lanes * GeluKernel.ElementsPerLane,
            GeluKernel.GroupsPerMultiprocessor);

    private static VectorKernel Placer<TBits, TVector, TElement>()
        where TBits : unmanaged
        where TVector : struct, IVectorElement<TBits>
        => new(
            $"place_groups_{Names[typeof(TElement)]}_fp8",
            PlacedQuantizeKernel.Run<TBits, TVector, Float8Vector, Float8Format>,
            GroupQuantizeKernel.Lanes,
            GroupQuantizeKernel.Lanes * GroupQuantizeKernel.ElementsPerLane);

    private static IEnumerable<VectorKernel> Elements<TCode, TFormat>()
        where TCode : struct, IVectorCode
        where TFormat : struct, ICodeFormat
        =>
        [
            .. Quantizers<Vec4, BFloat16Vector, BFloat16Element, TCode, TFormat>(),
            .. Quantizers<Vec4, Float16Vector, Float16Element, TCode, TFormat>(),
            .. Quantizers<Vec8, Float32Vector, Float32Element, TCode, TFormat>(),
        ];

    private static IEnumerable<VectorKernel> Quantizers<TBits, TVector, TElement, TCode, TFormat>()
        where TBits : unmanaged
        where TVector : struct, IVectorElement<TBits>
        where TCode : struct, IVectorCode
        where TFormat : struct, ICodeFormat
    {
        string suffix = $"{Names[typeof(TElement)]}_{Names[typeof(TFormat)]}";
        yield return new(
            $"quantize_groups_{suffix}",
            GroupQuantizeKernel.Run<TBits, TVector, TCode, TFormat>,
            GroupQuantizeKernel.Lanes,
            GroupQuantizeKernel.Lanes * GroupQuantizeKernel.ElementsPerLane);

        // A lane holds 64 elements: 64 registers of float32, half as many of the narrower types.
        yield return new(
            $"quantize_blocks_{suffix}",
            BlockQuantizeKernel.Run<TBits, TVector, TCode, TFormat>,
            BlockQuantizeKernel.Lanes,
            128 * 128,
            typeof(TBits) == typeof(Vec8) ? 2 : 4);
    }

    private static IEnumerable<VectorKernel> Dequantizers<TBits, TVector, TElement>()
        where TBits : unmanaged
        where TVector : struct, IVectorElement<TBits>
    {
        int elements = DequantizeKernel.Lanes * DequantizeKernel.ElementsPerLane;
        string name = Names[typeof(TElement)];
        yield return new($"dequantize_groups_fp8_{name}", DequantizeKernel.Groups<TBits, TVector, Float8Vector>, DequantizeKernel.Lanes, elements);
        yield return new($"dequantize_blocks_fp8_{name}", DequantizeKernel.Blocks<TBits, TVector, Float8Vector>, DequantizeKernel.Lanes, elements);
        yield return new($"dequantize_groups_int8_{name}", DequantizeKernel.Groups<TBits, TVector, Int8NearestVector>, DequantizeKernel.Lanes, elements);
        yield return new($"dequantize_blocks_int8_{name}", DequantizeKernel.Blocks<TBits, TVector, Int8NearestVector>, DequantizeKernel.Lanes, elements);
    }
}
