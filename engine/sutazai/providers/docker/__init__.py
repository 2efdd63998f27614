"""Docker Engine as a provider.

Reads go over a slim HTTP client of our own (`reader`), since a plan that changes nothing should take
milliseconds; whatever changes something goes through docker-py (`writer`). `create` turns the model's words
into the Engine API's, `report` turns them back, and the law between the two is that a container made from a
workload reports every declared field of it unchanged. Nothing here touches an object that lacks this
scope's labels.
"""
