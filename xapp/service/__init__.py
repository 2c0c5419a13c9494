"""What a request goes through: a Call, and a file for each verb. Knows no gRPC; the models are `served`'s."""
