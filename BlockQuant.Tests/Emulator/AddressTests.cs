using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Tests.Emulator;

/// <summary>Global memory by raw address, mbarriers, and the swizzle of shared memory.</summary>
internal sealed class AddressTests : EmulatorFixture
{
    [Test]
    public void Addresses_are_checked_against_the_rows_of_matrices()
    {
        long address = Upload(new byte[64]).LoadEffectiveAddressAsPtr();
        var space = new AddressSpace(
            [new MemoryRegion("source", address, 3, 12, 16), new MemoryRegion("target", address + 48, 1, 8, 8, IsWritable: true)], []);

        space.Store(address + 48, 7L);
        space.Load<long>(address + 48).Should().Be(7);
        space.Load<int>(address + 24).Should().Be(0);
        space.Read(address + 17, 11).Length.Should().Be(11);
        Kind(() => space.Load<int>(address + 12)).Should().Be(FaultKind.OutOfBoundsRead, "a row has 12 bytes");
        Kind(() => space.Load<int>(address - 4)).Should().Be(FaultKind.OutOfBoundsRead);
        Kind(() => space.Load<int>(address + 56)).Should().Be(FaultKind.OutOfBoundsRead);
        Kind(() => space.Read(address + 10, 8)).Should().Be(FaultKind.OutOfBoundsRead, "no access runs from one row into the next");
        Kind(() => space.Store(address, 1)).Should().Be(FaultKind.OutOfBoundsWrite, "a source is not written");
        Kind(() => space.Load<int>(address + 2)).Should().Be(FaultKind.MisalignedAccess);
    }

    [Test]
    public void A_phase_ends_when_all_have_arrived_and_all_bytes_have_come()
    {
        var barrier = TransactionBarrier.Of(2);

        barrier.HasEnded(1).Should().BeTrue("the phase before the first counts as ended");
        barrier.HasEnded(0).Should().BeFalse();
        barrier = barrier.Complete(96).Arrive().Arrive(128);
        barrier.HasEnded(0).Should().BeFalse("32 bytes are missing");
        barrier = barrier.Complete(32);
        barrier.HasEnded(0).Should().BeTrue();
        barrier.HasEnded(1).Should().BeFalse();
        barrier.Arrive().Arrive().HasEnded(1).Should().BeTrue();
        Kind(() => barrier.Arrive(5).Arrive().Arrive()).Should().Be(FaultKind.BarrierMisuse);
        Kind(() => TransactionBarrier.Of(0)).Should().Be(FaultKind.BarrierMisuse);
        Kind(() => barrier.Complete(TransactionBarrier.MaxCount + 1)).Should().Be(FaultKind.BarrierMisuse);
    }

    [TestCase(0, 1, 1, 0)]
    [TestCase(1, 33, 7, -49152)]
    [TestCase(1, TransactionBarrier.MaxCount, 0, TransactionBarrier.MaxCount)]
    [TestCase(0, 5, TransactionBarrier.MaxCount, -TransactionBarrier.MaxCount)]
    public void A_barrier_lies_in_eight_bytes(int phase, int expected, int pending, int bytes)
    {
        var barrier = new TransactionBarrier(phase, expected, pending, bytes);

        TransactionBarrier.FromBits(barrier.Bits).Should().Be(barrier);
    }

    // Row, chunk of 16 bytes, and the chunk that it is moved to: CUDA's table of the 128-byte swizzle.
    [TestCase(0, 0, 0)]
    [TestCase(1, 0, 1)]
    [TestCase(3, 5, 6)]
    [TestCase(7, 7, 0)]
    [TestCase(8, 2, 2)]
    [TestCase(14, 4, 2)]
    public void Chunks_of_a_line_are_permuted_by_its_number(int row, int chunk, int place)
    {
        BlockMemory.Swizzled(2048 + row * 128 + chunk * 16 + 3).Should().Be(2048 + row * 128 + place * 16 + 3);
    }

    private static FaultKind Kind(Action access) => Assert.Throws<EmulatorFaultException>(() => access())!.FaultKind;
}
