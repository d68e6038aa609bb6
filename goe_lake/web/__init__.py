"""The services: a node for its gateway, and the gateway for analysts, over HTTPS."""
