namespace BlockQuant.QuickStart;

/// <summary>The input file lacks something; the message is one line that says what was found and what was expected.</summary>
internal sealed class InputException(string message) : Exception(message);
