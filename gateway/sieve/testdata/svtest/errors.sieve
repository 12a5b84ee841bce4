fileinto "x";
redirct "a@example.org";
