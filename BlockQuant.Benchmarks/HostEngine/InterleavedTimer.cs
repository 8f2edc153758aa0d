using System.Diagnostics;

namespace BlockQuant.Benchmarks.HostEngine;

/// <summary>The times of one action, in milliseconds: wall time, and processor time divided by the cores.</summary>
internal sealed record ActionTimes(double Median, double Minimum, double ProcessorMedian, double ProcessorMinimum);

/// <summary>
/// Times actions in rounds, each action once a round, so that all of them meet the same neighbours on a shared machine and their ratios hold.
/// </summary>
internal static class InterleavedTimer
{
    /// <summary>The times of every action, in their order; a first round is not counted.</summary>
    public static ActionTimes[] Time(IReadOnlyList<Action> actions, int rounds)
    {
        var wall = new double[actions.Count][];
        var processor = new double[actions.Count][];
        for (int i = 0; i < actions.Count; i++)
        {
            wall[i] = new double[rounds];
            processor[i] = new double[rounds];
        }

        for (int round = -1; round < rounds; round++)
        {
            for (int i = 0; i < actions.Count; i++)
            {
                TimeSpan used = Environment.CpuUsage.TotalTime;
                long start = Stopwatch.GetTimestamp();
                actions[i]();
                double elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                used = Environment.CpuUsage.TotalTime - used;
                if (round >= 0)
                {
                    wall[i][round] = elapsed;
                    processor[i][round] = used.TotalMilliseconds / Environment.ProcessorCount;
                }
            }
        }

        return wall.Zip(processor, Summary).ToArray();
    }

    private static ActionTimes Summary(double[] wall, double[] processor)
    {
        Array.Sort(wall);
        Array.Sort(processor);
        return new ActionTimes(wall[wall.Length / 2], wall[0], processor[processor.Length / 2], processor[0]);
    }
}
