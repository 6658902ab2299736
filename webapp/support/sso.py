"""Single sign-on by OpenID Connect, where an operator has set it up."""
