namespace BlockQuant.Emulator;

/// <summary>A thread whose stack lanes run on, one after another or, where they wait, one.</summary>
internal sealed class LaneThread
{
    // Lanes are many, and kernels neither recurse nor allocate on the stack.
    private const int StackBytes = 256 * 1024;

    private readonly LaneSignal signal = LaneSignal.Create();
    private readonly int processor;
    private Action<LaneThread>? work;
    private bool isRetired;

    public LaneThread(int processor)
    {
        this.processor = processor;
        new Thread(Loop, StackBytes) { IsBackground = true, Name = "BlockQuant emulator lane" }.Start();
    }

    /// <summary>Gives the idle thread work to do.</summary>
    public void Start(Action<LaneThread> work)
    {
        this.work = work;
        Wake();
    }

    /// <summary>Ends the calling thread once its work is done.</summary>
    public void Retire() => isRetired = true;

    /// <summary>Lets the thread's <see cref="Await"/> return, now or when it comes to it.</summary>
    public void Wake() => signal.Wake();

    /// <summary>Blocks the thread, which must be the calling one, until it is woken.</summary>
    public void Await() => signal.Await();

    private void Loop()
    {
        ProcessorAffinity.Pin(processor);
        while (!isRetired)
        {
            Await();
            Action<LaneThread> given = work!;
            work = null;
            given(this);
        }
    }
}
