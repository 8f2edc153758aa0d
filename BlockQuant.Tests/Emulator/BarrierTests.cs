using BlockQuant.Emulator;
using ILGPU;

namespace BlockQuant.Tests.Emulator;

/// <summary>Barriers, waiting, and what happens when lanes wait for ever.</summary>
public class BarrierTests : EmulatorFixture
{
    private struct Arguments
    {
        public ArrayView<int> Target;
        public int Lanes;
    }

    [Test]
    public void BarrierThatALaneNeverReachesIsDivergence()
    {
        static void LeaveEarly(Arguments a)
        {
            if (Group.IdxX < a.Lanes)
                return;
            Group.Barrier();
        }

        EmulatorFaultException fault = Fault<Arguments>(LeaveEarly, (2, 32), new() { Lanes = 3 });
        fault.FaultKind.Should().Be(FaultKind.BarrierDivergence);
        fault.KernelName.Should().Contain("LeaveEarly");
        fault.Thread!.Value.Lane.Should().Be(3);
        fault.Message.Should().Contain("barrier divergence").And.Contain("lanes 0 to 2: exited")
            .And.Contain("lanes 3 to 31: wait at the group's barrier of BarrierTests.cs:");
    }

    [Test]
    public void DifferentNumbersOfBarriersAreDivergence()
    {
        static void LoopUnevenly(Arguments a)
        {
            for (int i = 0; i < a.Lanes + Group.IdxX / 4; i++)
                Group.Barrier();
        }

        EmulatorFaultException fault = Fault<Arguments>(LoopUnevenly, (1, 8), new() { Lanes = 5 });
        fault.FaultKind.Should().Be(FaultKind.BarrierDivergence);
        fault.Message.Should().Contain("lanes 0 to 3: exited").And.Contain("lanes 4 to 7: wait");
    }

    [Test]
    public void DifferentBarriersOfTheSourceAreDivergence()
    {
        static void Branch(Arguments a)
        {
            if (Group.IdxX < a.Lanes)
                Group.Barrier();
            else
                Group.Barrier();
        }

        Accelerator.Launch("Branch", Branch, (1, 8), new Arguments { Lanes = 8 });
        EmulatorFaultException fault = Fault<Arguments>(Branch, (1, 8), new() { Lanes = 4 });
        fault.FaultKind.Should().Be(FaultKind.BarrierDivergence);
        fault.Thread!.Value.Lane.Should().Be(4);
        fault.Message.Should().Contain("while lane 0 waits at");
    }

    [Test]
    public void LanesThatWaitForEachOtherAreADeadlock()
    {
        static void WaitForTheOther(Arguments a)
        {
            int[] arrived = EmulatedLane.GroupState(() => new int[2]);
            int lane = Group.IdxX;
            EmulatedLane.WaitUntil(() => arrived[1 - lane] != 0, "the other lane");
            arrived[lane] = 1;
        }

        EmulatorFaultException fault = Fault<Arguments>(WaitForTheOther, (1, 2), default);
        fault.FaultKind.Should().Be(FaultKind.Deadlock);
        fault.KernelName.Should().Contain("WaitForTheOther");
        fault.Thread.Should().Be(new EmulatedThread((0, 0, 0), 0));
        fault.Message.Should().Contain("deadlock").And.Contain("lanes 0 to 1: wait for the other lane");
    }

    [Test]
    public void ProducerAndConsumersPassStagesOn()
    {
        static void Pipeline(Arguments a)
        {
            Stages stages = EmulatedLane.GroupState(() => new Stages());
            ArrayView<int> values = SharedMemory.Allocate<int>(4);
            int consumers = Group.DimX - 1;
            for (int step = 0; step < 40; step++)
            {
                int own = step;
                if (Group.IdxX == consumers)
                {
                    EmulatedLane.WaitUntil(() => stages.Read >= (own - 3) * consumers, "an empty stage");
                    values[step % 4] = step;
                    stages.Written++;
                    continue;
                }
                EmulatedLane.WaitUntil(() => stages.Written > own, "a full stage");
                a.Target[Grid.IdxX * consumers + Group.IdxX] += values[step % 4];
                stages.Read++;
            }
        }

        ArrayView<int> target = Upload(new int[4 * 63]);
        Accelerator.Launch("Pipeline", Pipeline, (4, 64), new Arguments { Target = target });
        Download(target).Should().OnlyContain(sum => sum == 39 * 40 / 2);
    }

    private sealed class Stages
    {
        public int Written { get; set; }

        public int Read { get; set; }
    }

    [Test]
    public void NamedBarriersHoldBackPartOfAGroup()
    {
        static void MeetInHalves(Arguments a)
        {
            ArrayView<int> shared = SharedMemory.Allocate<int>(64);
            int half = Group.IdxX / 32;
            for (int i = 0; i <= half; i++)
            {
                shared[Group.IdxX] = Group.IdxX + i;
                EmulatedLane.BarrierSync(half + 1, 32);
                a.Target[Group.IdxX] = shared[Group.IdxX ^ 1];
                EmulatedLane.BarrierSync(half + 1, 32);
            }
        }

        ArrayView<int> target = Allocate<int>(64);
        Accelerator.Launch("MeetInHalves", MeetInHalves, (1, 64), new Arguments { Target = target });
        Download(target).Should().Equal(Enumerable.Range(0, 64).Select(i => (i ^ 1) + i / 32));

        static void MissOne(Arguments a) => EmulatedLane.BarrierSync(1, 33);
        Fault<Arguments>(MissOne, (1, 32), default).FaultKind.Should().Be(FaultKind.Deadlock);
    }

    [Test]
    public void ClusterSeesTheSharedMemoryOfItsGroups()
    {
        static void ReadTheOther(Arguments a)
        {
            EmulatedGroup group = EmulatedLane.Current.Group;
            group.DynamicSharedOf(group.ClusterRank).Store(4 * Group.IdxX, Grid.IdxX * 100 + Group.IdxX);
            EmulatedLane.ClusterBarrier();
            int other = group.DynamicSharedOf(1 - group.ClusterRank).Load<int>(4 * Group.IdxX);
            a.Target[Grid.IdxX * 8 + Group.IdxX] = other;
            EmulatedLane.ClusterBarrier();
        }

        ArrayView<int> target = Allocate<int>(6 * 8);
        KernelConfig config = (6, 8, SharedMemoryConfig.RequestDynamic<int>(8));
        Accelerator.Launch("ReadTheOther", ReadTheOther, config, new Arguments { Target = target }, clusterSize: 2);
        Download(target).Should().Equal(Enumerable.Range(0, 48).Select(i => ((i / 8) ^ 1) * 100 + i % 8));
    }

    [Test]
    public void DynamicSharedMemoryIsCheckedByByteAddress()
    {
        static void Store(Arguments a) => EmulatedLane.Current.Group.Shared.Dynamic.Store(a.Lanes, 1);
        static void Load(Arguments a)
        {
            SharedMemoryBuffer shared = EmulatedLane.Current.Group.Shared.Dynamic;
            shared.Store(0, 1L);
            shared.Load<int>(a.Lanes);
        }

        KernelConfig config = (1, 1, SharedMemoryConfig.RequestDynamic<byte>(16));
        Accelerator.Launch("Store", Store, config, new Arguments { Lanes = 12 });
        Accelerator.Launch("Load", Load, config, new Arguments { Lanes = 4 });
        Fault<Arguments>(Store, config, new() { Lanes = 16 }).FaultKind.Should().Be(FaultKind.OutOfBoundsWrite);
        Fault<Arguments>(Store, config, new() { Lanes = 2 }).FaultKind.Should().Be(FaultKind.MisalignedAccess);
        Fault<Arguments>(Load, config, new() { Lanes = -4 }).FaultKind.Should().Be(FaultKind.OutOfBoundsRead);
        Fault<Arguments>(Load, config, new() { Lanes = 8 }).FaultKind.Should().Be(FaultKind.UninitialisedSharedRead);
    }

    [Test]
    public void MonitorSignalKeepsAnEarlyWakeAndPassesTheTurn()
    {
        // What other systems than Linux use.
        MonitorSignal ping = new();
        MonitorSignal pong = new();
        int turns = 0;
        Thread thread = new(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                ping.Await();
                turns++;
                pong.Wake();
            }
        });
        ping.Wake();
        thread.Start();
        for (int i = 1; i < 1000; i++)
        {
            pong.Await();
            turns.Should().Be(i);
            ping.Wake();
        }
        thread.Join();
        turns.Should().Be(1000);
    }
}
