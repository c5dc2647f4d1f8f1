"""OCPP on the wire, pure: the envelope, one party's conversation, the messages of each version."""
