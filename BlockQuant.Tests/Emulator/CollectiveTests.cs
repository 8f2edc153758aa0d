using BlockQuant.Emulator;
using ILGPU;

namespace BlockQuant.Tests.Emulator;

/// <summary>What the lanes of a warp or warpgroup do together, and what must not go on without others noticing.</summary>
public class CollectiveTests : EmulatorFixture
{
    private struct Arguments
    {
        public ArrayView<int> Target;
        public int Lanes;
    }

    [Test]
    public void Lanes_of_a_warp_exchange_what_they_bring()
    {
        static void Rotate(Arguments a)
        {
            int lane = Group.IdxX;
            for (int i = 0; i < 3; i++)
            {
                lane = EmulatedLane.AsWarp("rotation", lane, warp =>
                {
                    int first = warp[0];
                    warp.AsSpan(1).CopyTo(warp);
                    warp[^1] = first;
                });
            }
            a.Target[Group.IdxX] = lane;
        }

        ArrayView<int> target = Allocate<int>(64);
        Accelerator.Launch("Rotate", Rotate, (1, 64), new Arguments { Target = target });
        Download(target).Should().Equal(Enumerable.Range(0, 64).Select(i => i / 32 * 32 + (i + 3) % 32));
    }

    [Test]
    public void One_lane_acts_for_its_warp()
    {
        static void Count(Arguments a) =>
            EmulatedLane.Elect("count", a.Target, target => target[Group.IdxX / 32]++);

        ArrayView<int> target = Upload(new int[3]);
        Accelerator.Launch("Count", Count, (1, 96), new Arguments { Target = target });
        Download(target).Should().Equal(1, 1, 1);

        static void Disagree(Arguments a) => EmulatedLane.Elect("count", Group.IdxX == a.Lanes ? 7 : 5, _ => { });
        EmulatorFaultException fault = Fault<Arguments>(Disagree, (1, 32), new() { Lanes = 9 });
        fault.FaultKind.Should().Be(FaultKind.CollectiveMismatch);
        fault.Message.Should().Contain("lanes come to count with 5 and with 7");
    }

    [Test]
    public void Lanes_of_a_warp_that_do_different_things_are_a_mismatch()
    {
        static void Branch(Arguments a) => EmulatedLane.AsWarp(Group.IdxX < a.Lanes ? "load" : "store", 0, _ => { });

        Accelerator.Launch("Branch", Branch, (1, 64), new Arguments { Lanes = 32 });
        EmulatorFaultException fault = Fault<Arguments>(Branch, (1, 64), new() { Lanes = 40 });
        fault.FaultKind.Should().Be(FaultKind.CollectiveMismatch);
        fault.Thread!.Value.Lane.Should().Be(40);
        fault.Message.Should().Contain("it is at store, while 8 lanes of its warp 1 wait at load");
    }

    [Test]
    public void A_warpgroup_that_is_not_whole_waits_for_ever()
    {
        static void Leave(Arguments a)
        {
            if (Group.IdxX != a.Lanes)
                EmulatedLane.AsWarpgroup("product", 0, _ => { });
        }

        EmulatorFaultException fault = Fault<Arguments>(Leave, (1, 128), new() { Lanes = 3 });
        fault.FaultKind.Should().Be(FaultKind.Deadlock);
        fault.Message.Should().Contain("lane 3: exited").And.Contain("wait at warpgroup 0 for product");
        Fault<Arguments>(Leave, (1, 64), new() { Lanes = 64 }).FaultKind.Should().Be(FaultKind.CollectiveMismatch);
    }

    [Test]
    public void Copies_land_when_no_lane_can_go_on_without()
    {
        static void CopyAndWait(Arguments a)
        {
            ArrayView<int> target = a.Target;
            EmulatedLane.StartCopy(() => target[0] = 1);
            EmulatedLane.StartCopy(() => target[1] = target[0] + 1);
            target[2] = target[0];
            if (a.Lanes == 0)
                return;
            EmulatedLane.WaitUntil(() => target[0] != 0, "the first copy");
            target[3] = target[1];
            EmulatedLane.WaitUntil(() => target[1] != 0, "the second copy");
        }

        ArrayView<int> target = Upload(new int[4]);
        Accelerator.Launch("CopyAndWait", CopyAndWait, (1, 1), new Arguments { Target = target, Lanes = 1 });
        Download(target).Should().Equal(1, 2, 0, 0);
        Fault<Arguments>(CopyAndWait, (1, 1), new() { Target = target }).FaultKind.Should().Be(FaultKind.UnfinishedCopy);
    }

    [Test]
    public void A_group_that_has_left_takes_its_shared_memory_along()
    {
        static void ReadTheOther(Arguments a)
        {
            EmulatedGroup group = EmulatedLane.Current.Group;
            group.Shared.Dynamic.Store(0, 5 + group.ClusterRank);
            EmulatedLane.ClusterBarrier();
            a.Target[group.ClusterRank] = group.DynamicSharedOf(1 - group.ClusterRank).Load<int>(0);
            if (a.Lanes == 1)
                EmulatedLane.ClusterBarrier();
        }

        KernelConfig config = (2, 1, SharedMemoryConfig.RequestDynamic<int>(1));
        ArrayView<int> target = Allocate<int>(2);
        Accelerator.Launch("ReadTheOther", ReadTheOther, config, new Arguments { Target = target, Lanes = 1 }, clusterSize: 2);
        Download(target).Should().Equal(6, 5);
        Fault<Arguments>(ReadTheOther, config, new() { Target = target }, clusterSize: 2).FaultKind.Should().Be(FaultKind.ExitedGroupAccess);
    }
}
