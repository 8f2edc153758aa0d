namespace BlockQuant.Scheduling;

/// <summary>A dense product on a GPU: all that its cost depends on.</summary>
/// <param name="M">Tokens.</param>
/// <param name="N">Weight rows.</param>
/// <param name="K">Columns of both operands.</param>
/// <param name="Multiprocessors">Multiprocessors of the GPU.</param>
/// <param name="Narrow">Whether there are kernels of Decode's tiles of 64 weight rows, as there are of FP8 and not of INT8.</param>
internal readonly record struct HopperProblem(int M, int N, int K, int Multiprocessors, bool Narrow = true);
