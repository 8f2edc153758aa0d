namespace BlockQuant.Tool;

/// <summary>What the user gave can't be used; the message is one line that says what was found and what was expected.</summary>
internal sealed class InputException(string message, Exception? cause = null) : Exception(message, cause);
