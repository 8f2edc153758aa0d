using FsCheck;
using Microsoft.FSharp.Core;

namespace BlockQuant.Tests;

/// <summary>FsCheck with a fixed seed, so that a run can be repeated, and as few cases as a slow device can afford.</summary>
internal static class Properties
{
    public static Config Cases(int count)
        => Config.QuickThrowOnFailure
            .WithMaxTest(TestDevice.IsSlow ? Math.Max(3, count / 4) : count)
            .WithReplay(FSharpOption<Replay>.Some(new Replay(new Rnd(2026, 1121), FSharpOption<int>.None)));
}
