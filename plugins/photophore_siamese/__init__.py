"""Structure from sequence: predicted TM-score and lDDT, and the domains of CATH that a protein resembles."""
