"""The desired state: what the user declared, resolved to one canonical form.

Every value here is frozen and refuses unknown keys. Compose's short forms are accepted on the way in and never seen
again: whatever reads a model finds the long form, seconds and bytes. Which fields were declared is pydantic's
`model_fields_set`; it decides what is compared with Docker, so nothing here fills in a value that nobody declared.
"""
