"""What the Siamese model is trained on and measured against: TM-align and lDDT over structures, computed once and cached."""
