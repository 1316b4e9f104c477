"""Words of a language, and comparing answers by their words."""
