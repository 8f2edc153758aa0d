using System.CommandLine;
using BlockQuant;
using BlockQuant.QuickStart;
using BlockQuant.Scheduling;
using BlockQuant.Storage;

var input = new Option<FileInfo>("--input")
{
    Description = "A safetensors file with an FP8 weight and its scales; the sample's own layer unless given.",
    DefaultValueFactory = _ => new FileInfo(Path.Combine(AppContext.BaseDirectory, "layer.safetensors")),
};
var weight = new Option<string>("--weight")
{
    Description = "The name of the weight; its scales are NAME_scale_inv.",
    DefaultValueFactory = _ => "model.layers.0.mlp.down_proj.weight",
};
var seed = new Option<int>("--seed")
{
    Description = "The seed of the random activations, where the file has none.",
    DefaultValueFactory = _ => 20261121,
};
var rows = new Option<int>("--rows")
{
    Description = "The rows of the random activations.",
    DefaultValueFactory = _ => 16,
};
var device = new Option<DeviceKind?>("--device") { Description = "Forces a kind of device; the best one unless given." };
var tileM = new Option<int?>("--tile-m") { Description = "Forces the row tile." };
var tileN = new Option<int?>("--tile-n") { Description = "Forces the column tile." };
var tileK = new Option<int?>("--tile-k") { Description = "Forces the depth of a stage." };
var groupM = new Option<int?>("--group-m") { Description = "Forces the row tiles that share a column tile." };
var stages = new Option<int?>("--stages") { Description = "Forces the stages in shared memory." };

var command = new RootCommand("Quantizes activations, multiplies them by an FP8 layer of a checkpoint, and compares with a reference.")
{
    input, weight, seed, rows, device, tileM, tileN, tileK, groupM, stages,
};
command.SetAction(result =>
{
    try
    {
        Layer layer = Layer.Load(result.GetValue(input)!.FullName, result.GetValue(weight)!, result.GetValue(rows), result.GetValue(seed));
        var overrides = new TilePlanOverrides
        {
            TileM = result.GetValue(tileM),
            TileN = result.GetValue(tileN),
            TileK = result.GetValue(tileK),
            GroupM = result.GetValue(groupM),
            Stages = result.GetValue(stages),
        };
        return LayerRun.Run(layer, result.GetValue(device), overrides) ? 0 : 1;
    }
    catch (Exception error) when (error is InputException or SafetensorsException or DeviceUnavailableException or ArgumentException or IOException)
    {
        Console.Error.WriteLine(error.Message);
        return 2;
    }
});

ParseResult parsed = command.Parse(args);
if (parsed.Errors.Count > 0)
{
    Console.Error.WriteLine(parsed.Errors[0].Message);
    return 2;
}

return parsed.Invoke();
