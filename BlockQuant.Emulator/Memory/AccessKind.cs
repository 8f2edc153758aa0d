namespace BlockQuant.Emulator;

/// <summary>What an access does to memory.</summary>
internal enum AccessKind
{
    Read,
    Write,
    Atomic,
}
