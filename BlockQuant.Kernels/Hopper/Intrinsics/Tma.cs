using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>The copy engine (TMA): boxes of a matrix described by a tensor map, brought to shared memory without registers.</summary>
internal static partial class Tma
{
    /// <summary>The address of the launch's tensor map of the left operand's rows, usually activations.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.b64 $d, map_a; cvta.param.u64 $d, $d;")]
    public static partial long MapA();

    /// <summary>The address of the launch's tensor map of the right operand's rows, usually weights.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.b64 $d, map_b; cvta.param.u64 $d, $d;")]
    public static partial long MapB();

    /// <summary>The address of the launch's tensor map of the output; launches that do not write by the copy engine have none.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.b64 $d, map_c; cvta.param.u64 $d, $d;")]
    public static partial long MapC();

    /// <summary>Brings a tensor map into the copy engine's cache ahead of its first use, one lane of the warp issuing it.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; elect.sync _|P, 0xffffffff; @P prefetch.tensormap [$0]; }")]
    public static partial void Prefetch(long map);

    /// <summary>
    /// Copies the box whose first element is (<paramref name="row"/>, <paramref name="column"/>) to a 1024-byte aligned shared
    /// address, one lane of the warp issuing it, and takes its bytes off <paramref name="barrier"/> as they land.
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; elect.sync _|P, 0xffffffff;
            @P cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [$0], [$1, {$2, $3}], [$4]; }
        """)]
    public static partial void Load(int target, long map, int column, int row, int barrier);

    /// <summary>
    /// Writes a box from a 1024-byte aligned shared address to the place whose first element is (<paramref name="row"/>,
    /// <paramref name="column"/>), one lane of the warp issuing it, and arrives at <paramref name="barrier"/> once shared memory is read.
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; elect.sync _|P, 0xffffffff;
            @P cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [$1, {$2, $3}], [$0];
            @P cp.async.bulk.commit_group; @P cp.async.bulk.wait_group.read 0;
            @P mbarrier.arrive.shared::cta.b64 _, [$4]; }
        """)]
    public static partial void Store(int source, long map, int column, int row, int barrier);
}
