"""The nouns passed between rooms: frozen values, and the types and units of the language."""
