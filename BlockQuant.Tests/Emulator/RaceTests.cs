using BlockQuant.Emulator;
using BlockQuant.Kernels;
using ILGPU;

namespace BlockQuant.Tests.Emulator;

/// <summary>What is, and what is not, a race in shared memory.</summary>
public class RaceTests : EmulatorFixture
{
    private struct Arguments
    {
        public ArrayView<int> Target;
        public bool HasBarrier;
    }

    [Test]
    public void ReadAfterAnotherLanesWriteIsARace()
    {
        static void RotateByOne(Arguments a)
        {
            ArrayView<int> shared = SharedMemory.Allocate<int>(32);
            shared[Group.IdxX] = Group.IdxX;
            if (a.HasBarrier)
                Group.Barrier();
            a.Target[Group.IdxX] = shared[(Group.IdxX + 31) % 32];
        }

        ArrayView<int> target = Upload(new int[32]);
        Accelerator.Launch("RotateByOne", RotateByOne, (1, 32), new Arguments { Target = target, HasBarrier = true });
        Download(target).Should().Equal(Enumerable.Range(0, 32).Select(i => (i + 31) % 32));

        static void ReadNeighbour(Arguments a)
        {
            ArrayView<int> shared = SharedMemory.Allocate<int>(33);
            shared[Group.IdxX + 1] = Group.IdxX;
            a.Target[Group.IdxX] = Group.IdxX == 0 ? 0 : shared[Group.IdxX];
        }

        EmulatorFaultException fault = Fault<Arguments>(ReadNeighbour, (1, 32), new() { Target = target });
        fault.FaultKind.Should().Be(FaultKind.SharedMemoryRace);
        fault.KernelName.Should().Contain("ReadNeighbour");
        fault.Thread.Should().Be(new EmulatedThread((0, 0, 0), 1));
        fault.Index.Should().Be(1);
        fault.Message.Should().Contain("shared memory race").And.Contain("lane 1: index 1")
            .And.Contain("reads what lane 0 has written since the last barrier");
    }

    [TestCase(false, "lane 0 has read")]
    [TestCase(true, "several lanes, lane 3 first, have read")]
    public void WriteAfterAnotherLanesReadIsARace(bool severalReaders, string who)
    {
        static void Overwrite(Arguments a)
        {
            ArrayView<int> shared = SharedMemory.Allocate<int>(1);
            if (Group.IdxX == 0)
                shared[0] = 1;
            Group.Barrier();
            if (Group.IdxX == 0 || a.HasBarrier)
                a.Target[Group.IdxX] = shared[0];
            if (Group.IdxX == 2)
                shared[0] = 2;
        }

        EmulatorFaultException fault = Fault<Arguments>(Overwrite, (1, 4), new() { Target = Allocate<int>(4), HasBarrier = severalReaders });
        fault.FaultKind.Should().Be(FaultKind.SharedMemoryRace);
        fault.Message.Should().Contain("lane 2: index 0").And.Contain("writes what " + who);
    }

    [Test]
    public void TwoLanesWritingABytesIsARaceWhereNeighbouringBytesAreNot()
    {
        static void WriteBytes(Arguments a)
        {
            ArrayView<byte> shared = SharedMemory.Allocate<byte>(64);
            shared[a.HasBarrier ? Group.IdxX : Group.IdxX / 2] = 1;
        }

        Accelerator.Launch("WriteBytes", WriteBytes, (1, 64), new Arguments { HasBarrier = true });
        EmulatorFaultException fault = Fault<Arguments>(WriteBytes, (1, 64), default);
        fault.FaultKind.Should().Be(FaultKind.SharedMemoryRace);
        fault.Message.Should().Contain("lane 1").And.Contain("writes what lane 0 has written");
    }

    [Test]
    public void WordAndByteOfItClash()
    {
        static void WriteByteReadWord(Arguments a)
        {
            ArrayView<int> words = SharedMemory.Allocate<int>(1);
            if (Group.IdxX == 0)
                words[0] = 1;
            Group.Barrier();
            if (Group.IdxX == 0)
                words.Cast<byte>()[3] = 1;
            else
                a.Target[0] = words[0];
        }

        Fault<Arguments>(WriteByteReadWord, (1, 2), new() { Target = Allocate<int>(1) }).FaultKind.Should().Be(FaultKind.SharedMemoryRace);
    }

    [Test]
    public void AtomicUpdatesDoNotClashWithEachOtherButWithPlainReads()
    {
        static void Count(Arguments a)
        {
            ArrayView<int> shared = SharedMemory.Allocate<int>(1);
            if (Group.IdxX == 0)
                shared[0] = 0;
            Group.Barrier();
            ViewAtomics.Add(shared, 0, Group.IdxX);
            if (a.HasBarrier)
                Group.Barrier();
            if (Group.IdxX == 0 || !a.HasBarrier)
                a.Target[0] = shared[0];
        }

        ArrayView<int> target = Allocate<int>(1);
        Accelerator.Launch("Count", Count, (1, 100), new Arguments { Target = target, HasBarrier = true });
        Download(target).Should().Equal(4950);
        Fault<Arguments>(Count, (1, 100), new() { Target = target }).FaultKind.Should().Be(FaultKind.SharedMemoryRace);
    }

    [Test]
    public void EpochsStartAgainBeforeTheyOverflow()
    {
        static void PassManyBarriers(Arguments a)
        {
            ArrayView<int> shared = SharedMemory.Allocate<int>(3);
            shared[0] = 7;
            for (int i = 0; i < 1_200_000; i++)
                Group.Barrier();
            shared[1] = 8;
            Group.Barrier();
            a.Target[0] = shared[a.HasBarrier ? 0 : 2] + shared[1];
        }

        ArrayView<int> target = Allocate<int>(1);
        Accelerator.Launch("PassManyBarriers", PassManyBarriers, (1, 1), new Arguments { Target = target, HasBarrier = true });
        Download(target).Should().Equal(15);
        Fault<Arguments>(PassManyBarriers, (1, 1), new() { Target = target }).FaultKind.Should().Be(FaultKind.UninitialisedSharedRead);
    }
}
