"""Telling people and programs: recommendations, alerts, webhooks, commands."""
