using System.Collections.Concurrent;

namespace BlockQuant.Tests.Hardening;

/// <summary>The same work in many threads that start together.</summary>
internal static class Simultaneous
{
    public static void Run(int threads, Action<int> work)
    {
        using var start = new Barrier(threads);
        var errors = new ConcurrentQueue<Exception>();
        Thread[] started = Enumerable.Range(0, threads).Select(number => new Thread(() =>
        {
            start.SignalAndWait();
            try
            {
                work(number);
            }
            catch (Exception error)
            {
                errors.Enqueue(error);
            }
        })).ToArray();
        Array.ForEach(started, thread => thread.Start());
        Array.ForEach(started, thread => thread.Join());
        errors.Should().BeEmpty();
    }
}
