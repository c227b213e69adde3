"""The critic in agents of LangChain: middleware, and a tool."""
