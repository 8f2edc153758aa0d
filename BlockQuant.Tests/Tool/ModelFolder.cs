using System.Text.Json;

namespace BlockQuant.Tests.Tool;

/// <summary>A small checkpoint in Hugging Face's layout, with every sort of tensor a model may have.</summary>
internal sealed class ModelFolder
{
    public const string ShardA = "model-00001-of-00002.safetensors";
    public const string ShardB = "model-00002-of-00002.safetensors";
    public const string Index = "model.safetensors.index.json";

    public ModelFolder(string path, int seed = 1)
    {
        Path = path;
        var random = new Random(seed);
        RawTensor[] a =
        [
            RawTensor.RandomBFloat16("model.embed_tokens.weight", random, 40, 64),
            RawTensor.RandomBFloat16("model.layers.0.q.weight", random, 130, 200),
            RawTensor.RandomSingle("model.layers.0.q.bias", random, 130),
            RawTensor.RandomBFloat16("model.layers.0.input_layernorm.weight", random, 64),
            RawTensor.RandomBFloat16("model.layers.0.mlp.gate.weight", random, 8, 64),
        ];
        RawTensor[] b =
        [
            new("packed", "F4", [6], [1, 2, 3]),
            RawTensor.RandomHalf("model.layers.1.q.weight", random, 128, 256),
            RawTensor.RandomSingle("model.layers.1.k.weight", random, 5, 300),
            RawTensor.RandomBFloat16("experts", random, 2, 4, 8),
            RawTensor.Of<long>("count", "I64", [7]),
            new("empty.weight", "BF16", [0, 16], []),
            RawTensor.RandomBFloat16("lm_head.weight", random, 40, 64),
        ];
        Tensors = [.. a, .. b];
        Directory.CreateDirectory(path);
        Write(ShardA, RawTensor.File(a));
        Write(ShardB, RawTensor.File(b));
        WriteJson(Index, new { weight_map = a.ToDictionary(t => t.Name, _ => ShardA).Concat(b.ToDictionary(t => t.Name, _ => ShardB)).ToDictionary() });
        Write("config.json", """{"model_type":"llama","rope_theta":10000.0,"tie_word_embeddings":false}"""u8.ToArray());
        Write("tokenizer.json", "{}"u8.ToArray());
        Write("pytorch_model.bin", [1, 2, 3]);
    }

    public string Path { get; }

    public IReadOnlyList<RawTensor> Tensors { get; }

    public RawTensor this[string name] => Tensors.Single(tensor => tensor.Name == name);

    public void Write(string name, byte[] content) => File.WriteAllBytes(System.IO.Path.Combine(Path, name), content);

    public void WriteJson<T>(string name, T content) => Write(name, JsonSerializer.SerializeToUtf8Bytes(content));

    /// <summary>Name and content of every file below a folder.</summary>
    public static Dictionary<string, string> Snapshot(string folder) =>
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .ToDictionary(path => System.IO.Path.GetRelativePath(folder, path), path => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path))));
}
