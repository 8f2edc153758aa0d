using BlockQuant.Tool;
using BlockQuant.Tool.Output;

return ToolProgram.Run(args, ToolConsole.OfProcess());
