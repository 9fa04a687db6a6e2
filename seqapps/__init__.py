"""From raw sequence data to a served Keras model, with a number you can believe at the end."""
