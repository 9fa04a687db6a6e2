import tensorflow as tf


def endpoints(params, model, assets):
    def serving_default(steps, length):
        return {"mean": model({"steps": steps, "length": length})}

    signature = [
        tf.TensorSpec([None, None], tf.float32, name="steps"),
        tf.TensorSpec([None], tf.int64, name="length"),
    ]
    return {"serving_default": (serving_default, signature)}
