using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>
/// Barriers in shared memory (mbarrier) that count arrivals and bytes still to be copied. A barrier's phase ends when both counts
/// are at 0; waiting names the parity of the phase waited for, beginning with 0.
/// </summary>
internal static partial class MBarrier
{
    /// <summary>Prepares the 8-byte barrier at a shared address for phases of <paramref name="arrivals"/> arrivals.</summary>
    [IntrinsicImplementation]
    [Ptx("mbarrier.init.shared::cta.b64 [$0], $1;")]
    public static partial void Initialize(int barrier, int arrivals);

    /// <summary>Makes initialised barriers visible to the copy engine and to the cluster.</summary>
    [IntrinsicImplementation]
    [Ptx("fence.mbarrier_init.release.cluster;")]
    public static partial void PublishInitialization();

    /// <summary>Waits until the phase of the given parity has ended.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; LW: mbarrier.try_wait.parity.shared::cta.b64 P, [$0], $1; @P bra LD; bra LW; LD: }")]
    public static partial void Wait(int barrier, int parity);

    /// <summary>One arrival by the whole warp, which also announces bytes that the copy engine will bring.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; elect.sync _|P, 0xffffffff; @P mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1; }")]
    public static partial void ArriveExpect(int barrier, int bytes);

    /// <summary>One arrival by the whole warp, after what its lanes have read.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; bar.warp.sync 0xffffffff; elect.sync _|P, 0xffffffff; @P mbarrier.arrive.shared::cta.b64 _, [$0]; }")]
    public static partial void Arrive(int barrier);

    /// <summary>An arrival of every lane, after what it has read.</summary>
    [IntrinsicImplementation]
    [Ptx("mbarrier.arrive.shared::cta.b64 _, [$0];")]
    public static partial void ArriveEach(int barrier);

    /// <summary><see cref="Arrive"/> at the barrier that has the same address in another block of the cluster.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b32 far; bar.warp.sync 0xffffffff; elect.sync _|P, 0xffffffff; mapa.shared::cluster.u32 far, $0, $1;
            @P mbarrier.arrive.shared::cluster.b64 _, [far]; }
        """)]
    public static partial void ArriveAt(int barrier, int rank);

    /// <summary>One arrival by each lane, made once the lane's earlier <see cref="AsyncCopy"/> copies have landed.</summary>
    [IntrinsicImplementation]
    [Ptx("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [$0];")]
    public static partial void ArriveAfterCopies(int barrier);

    /// <summary>
    /// One arrival by each lane whose <paramref name="enabled"/> is not 0, after which the tensor cores see what all lanes of the warp wrote to
    /// shared memory.
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; fence.proxy.async.shared::cta; bar.warp.sync 0xffffffff; setp.ne.s32 P, $1, 0;
            @P mbarrier.arrive.shared::cta.b64 _, [$0]; }
        """)]
    public static partial void ArriveStagedWhere(int barrier, int enabled);
}
