using System.Diagnostics.CodeAnalysis;

namespace BlockQuant.Storage;

/// <summary>Tensors by name, whether of one file or of many.</summary>
internal interface ITensorSource
{
    /// <summary>What the source was opened with, for messages.</summary>
    string Path { get; }

    bool TryGet(string name, [NotNullWhen(true)] out TensorInfo? tensor);

    T[] Read<T>(string name)
        where T : unmanaged;
}
