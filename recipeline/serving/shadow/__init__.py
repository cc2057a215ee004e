"""The challenger in shadow: it predicts live rows beside the champion."""
