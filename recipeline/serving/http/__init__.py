"""The HTTP side of the service: routes, answers, pages and the API description."""
